package workspace

import (
	"golang.org/x/sys/unix"
)

// merged is what a sandbox sees at a path.
type merged struct {
	entry
	layer   int  // that has it
	parts   []at // of a folder
	hidden  bool // the host's entry does not show through
	below   bool // no layer has anything to say: it is the host's
	problem string
}

// merge lays the layers' entries over each other.
func (l *looker) merge(rel string, parts []at, base entry, hidden bool) merged {
	m := merged{hidden: hidden}
	found := false
	for _, p := range parts {
		t := l.layers[p.layer]
		st, err := t.stat(rel)
		if missing(err) {
			continue
		}
		e := entry{there: true, st: st}
		if err != nil {
			m.problem, m.layer = "it cannot be looked at: "+reason(err), p.layer
			return m
		}
		gone, problem := l.whiteout(t, rel, e, p)
		if problem != "" {
			m.problem, m.entry, m.layer = problem, e, p.layer
			return m
		}
		if gone || !e.isDir() {
			if !found { // else it ends the folders above it
				m.entry, m.layer = e, p.layer
				m.there = !gone
			}
			m.hidden = true
			return m
		}
		if !found {
			m.entry, m.layer, found = e, p.layer, true
		}
		opaque, problem := l.folderMarks(t, rel)
		if problem != "" {
			m.problem = problem
			return m
		}
		m.parts = append(m.parts, at{layer: p.layer, forged: opaque == "=x"})
		if opaque == "=y" {
			m.hidden = true
			return m
		}
	}
	switch {
	case found:
	case hidden: // only the host has it, and it does not show
		m.there = false
	default:
		m.below = true
	}
	if found && base.there && !base.isDir() {
		m.hidden = true
	}
	return m
}

// whiteout says whether an entry of a layer stands for a removal: a device 0:0,
// or a marked empty file in a folder that says so.
func (l *looker) whiteout(t tree, rel string, e entry, p at) (gone bool, problem string) {
	switch e.st.Mode & unix.S_IFMT {
	case unix.S_IFCHR:
		return e.st.Rdev == 0, ""
	case unix.S_IFREG:
	default:
		return false, ""
	}
	for _, name := range []string{"metacopy", "redirect"} {
		if v, err := t.mark(rel, l.marks, name, 0); err != nil || v != "" {
			return false, "its content is elsewhere: a mark of the file system that Bulkhead does not make"
		}
	}
	if !p.forged || e.st.Size != 0 {
		return false, ""
	}
	v, err := t.mark(rel, l.marks, "whiteout", 0)
	if err != nil {
		return false, "it cannot be looked at: " + reason(err)
	}
	return v != "", ""
}

// folderMarks reads what a layer's folder says about what is beneath it.
func (l *looker) folderMarks(t tree, rel string) (opaque, problem string) {
	if v, err := t.mark(rel, l.marks, "redirect", unix.O_DIRECTORY); err != nil || v != "" {
		return "", "it shows another folder: a mark of the file system that Bulkhead does not make"
	}
	opaque, err := t.mark(rel, l.marks, "opaque", unix.O_DIRECTORY)
	if err != nil {
		return "", "it cannot be looked at: " + reason(err)
	}
	return opaque, ""
}
