package policy

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// envNamePattern is a portable name of a variable: POSIX.1-2024, 3.216.
const envNamePattern = `^[A-Za-z_][A-Za-z0-9_]*$`

var envName = regexp.MustCompile(envNamePattern)

const (
	maxVariables = 1024
	maxSetting   = 128 << 10 // name=value with its NUL: MAX_ARG_STRLEN, see execve(2)
)

// unpassable are names that may not be taken from the caller: they change
// which code a program runs, or hold Bulkhead's own secrets. A policy that
// really needs a loader's variable sets it, so that the value can be read.
var unpassable = []struct {
	name   string
	prefix bool // every name that begins so
	why    string
}{
	{"LD_", true, "it steers the dynamic loader"},
	{"DYLD_", true, "it steers the dynamic loader"},
	{"GCONV_PATH", false, "it makes the C library load code"},
	{"GLIBC_TUNABLES", false, "it changes the C library"},
	{"LOCPATH", false, "it makes the C library load files"},
	{"NLSPATH", false, "it makes the C library load files"},
	{"BASH_ENV", false, "it makes shells run a file"},
	{"ENV", false, "it makes shells run a file"},
	{"BASH_FUNC_", true, "it defines functions in shells"},
	{"BULKHEAD_", true, "it configures Bulkhead itself"},
	{"MN_REDIS_", true, "it holds the way into the job store"},
}

// checkName refuses names that no program could use.
func checkName(name string) *flaw {
	if envName.MatchString(name) {
		return nil
	}
	return &flaw{quote(name) + " is not a name of a variable", "use letters, digits and _, not beginning with a digit"}
}

// checkSetting refuses what execve(2) would not take.
func checkSetting(name, text string) *flaw {
	if bad := checkName(name); bad != nil {
		return bad
	}
	switch {
	case strings.ContainsRune(text, 0):
		return &flaw{"the value contains a NUL byte", ""}
	case !utf8.ValidString(text):
		return &flaw{"the value is not UTF-8", ""}
	case len(name)+len(text)+2 > maxSetting:
		return &flaw{fmt.Sprintf("the value has %d bytes; the kernel takes less than %d", len(text), maxSetting), "put it in a file"}
	}
	return nil
}

// checkPass refuses names that may not come from the caller's environment.
func checkPass(name string) *flaw {
	if bad := checkName(name); bad != nil {
		return bad
	}
	for _, u := range unpassable {
		if name == u.name || u.prefix && strings.HasPrefix(name, u.name) {
			return &flaw{fmt.Sprintf("%s may not be passed: %s", name, u.why), "write its value in env.set if the program needs it"}
		}
	}
	return nil
}

// unpassablePattern is the table as a regular expression.
func unpassablePattern() string {
	var all []string
	for _, u := range unpassable {
		if u.prefix {
			all = append(all, u.name)
		} else {
			all = append(all, u.name+"$")
		}
	}
	return "^(" + strings.Join(all, "|") + ")"
}
