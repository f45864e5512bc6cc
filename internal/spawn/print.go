package spawn

import (
	"fmt"
	"io"
	"strings"
)

// Print writes the program for a person: one call a line, grouped by wall, in
// the order in which the kernel will see them.
func (p *Program) Print(w io.Writer) error {
	if _, err := fmt.Fprintf(w, "clone3(%s)\n", cloneNames(p.Flags)); err != nil {
		return err
	}
	last := ""
	for i, op := range p.Ops {
		if op.Step != last {
			if _, err := fmt.Fprintf(w, "\n# %s\n", op.Step); err != nil {
				return err
			}
			last = op.Step
		}
		if _, err := fmt.Fprintf(w, "%4d  %s\n", i, op); err != nil {
			return err
		}
	}
	return nil
}

// String is the call as strace(1) would show it.
func (o Op) String() string {
	args := make([]string, len(o.Args))
	for i, a := range o.Args {
		args[i] = a.String()
	}
	s := o.Name + "(" + strings.Join(args, ", ") + ")"
	if o.Result != 0 {
		s = fmt.Sprintf("$%d = %s", o.Result, s)
	}
	if o.May {
		s += " or go on"
	}
	return s
}

// String is the argument as strace(1) would show it.
func (a Arg) String() string {
	switch {
	case a.Text != "":
		return a.Text
	case a.Kind == ArgSlot:
		return fmt.Sprintf("$%d", a.Value)
	case a.Kind == ArgAddr:
		return fmt.Sprintf("&$%d", a.Value)
	case a.Kind == ArgBytes:
		return fmt.Sprintf("<%d bytes>", len(a.Bytes))
	case a.Kind == ArgVector:
		return fmt.Sprintf("[%d words]", len(a.List))
	default:
		return fmt.Sprint(int64(a.Value))
	}
}

// cloneFlags names the flags in the order in which they are printed.
var cloneFlags = []struct {
	bit  uint64
	name string
}{
	{0x10000000, "CLONE_NEWUSER"},
	{0x20000000, "CLONE_NEWPID"},
	{0x00020000, "CLONE_NEWNS"},
	{0x40000000, "CLONE_NEWNET"},
	{0x08000000, "CLONE_NEWIPC"},
	{0x04000000, "CLONE_NEWUTS"},
	{0x02000000, "CLONE_NEWCGROUP"},
}

func cloneNames(flags uint64) string {
	var names []string
	for _, f := range cloneFlags {
		if flags&f.bit != 0 {
			names = append(names, f.name)
		}
	}
	return strings.Join(names, "|")
}
