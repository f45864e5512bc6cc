package command

import (
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// placeholders are the words in braces that stand for a value in a command.
var placeholders = []struct {
	word  string
	value func(a *attempt) string
}{
	{"input_file", file(inputFile)},
	{"message_file", file(messageFile)},
	{"context_file", file(contextFile)},
	{"body_file", file(bodyFile)},
	{"workdir", (*attempt).workdir},
	{"job_id", func(a *attempt) string { return string(a.w.Job) }},
	{"agent_id", func(a *attempt) string { return string(a.w.Node.ID) }},
}

// args is the command to run. Values go in once and are not looked at again.
func (a *attempt) args() []string {
	var pairs []string
	for _, p := range placeholders {
		v := p.value(a)
		pairs = append(pairs, "{{"+p.word+"}}", v, "{"+p.word+"}", v)
	}
	put := strings.NewReplacer(pairs...)
	args := slices.Clone(a.w.Node.Executor.Command)
	for i := range args {
		args[i] = put.Replace(args[i])
	}
	if foreign(a.w.Graph) {
		a.anyPython(args)
	}
	return args
}

// onePython is a command that names one version of Python.
var onePython = regexp.MustCompile(`^python3\.[0-9]+$`)

// anyPython lets a foreign bundle that asks for one version of Python run
// with the one that is there.
func (a *attempt) anyPython(args []string) {
	switch {
	case len(args) > 0 && onePython.MatchString(args[0]) && !onPath(args[0]):
		a.notes = append(a.notes, args[0]+" is not here; python3 runs instead")
		args[0] = "python3"
	case len(args) == 3 && path.Base(args[0]) == "sh" && args[1] == "-c":
		word, rest, _ := strings.Cut(args[2], " ")
		if onePython.MatchString(word) && !onPath(word) {
			a.notes = append(a.notes, word+" is not here; python3 runs instead")
			args[2] = "python3 " + rest
		}
	}
}

// systemPath is where sandboxes look for programs.
var systemPath = []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}

// onPath reports whether a sandbox would find a program.
func onPath(name string) bool {
	return slices.ContainsFunc(systemPath, func(dir string) bool {
		_, err := exec.LookPath(filepath.Join(dir, name))
		return err == nil
	})
}
