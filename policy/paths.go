package policy

import (
	"fmt"
	"path"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxPath  = 4095 // bytes: PATH_MAX without its NUL
	maxPaths = 256  // in a policy
)

// workspace is the attempt's work folder in paths.
const workspace = "$WORKSPACE"

// input is a value of the operator in paths.
var input = regexp.MustCompile(inputPattern)

// Patterns for the schema: what a path may look like, and what it never does.
const (
	pathLetter       = `[^\x00-\x1f\x7f-\x9f$*]`
	inputPattern     = `\$\{inputs\.[A-Za-z_][A-Za-z0-9_-]*\}`
	writePathPattern = `^(/` + pathLetter + `*|(~|\$WORKSPACE)(/` + pathLetter + `*)?)$`
	readPathPattern  = `^((/|~/|\$WORKSPACE/|` + inputPattern + `)(` + pathLetter + `|` + inputPattern + `)*|~|\$WORKSPACE)$`
	neverPathPattern = `(^|/)\.\.(/|$)|^/+(proc|sys|dev)(/|$)`
	wholeHostPattern = `^/[/.]*$`
)

// checkReadPath refuses paths that cannot be granted for reading.
func checkReadPath(s string) *flaw {
	sample := input.ReplaceAllString(s, "i")
	if at := input.FindStringIndex(s); at != nil && at[0] == 0 {
		sample = "/" + sample
	}
	return checkPath(sample, s)
}

// checkWritePath refuses paths that cannot be granted for writing.
func checkWritePath(s string) *flaw {
	if input.MatchString(s) {
		return &flaw{quote(s) + " takes a path to write from an input", "write the path out; inputs stand only in filesystem.read"}
	}
	if strings.HasPrefix(s, "/") && path.Clean(s) == "/" {
		return &flaw{"the whole host may not be granted for writing", "name the folders"}
	}
	return checkPath(s, s)
}

// checkPath checks a path whose inputs were replaced; shown is as written.
func checkPath(s, shown string) *flaw {
	if bad := checkText(s, shown); bad != nil {
		return bad
	}
	rest, ok := cutStart(s)
	switch {
	case !ok && strings.HasPrefix(s, "~"):
		return &flaw{quote(shown) + " names the home of somebody else", "write the path out"}
	case strings.Contains(rest, "$"), !ok && strings.HasPrefix(s, "$"):
		return &flaw{quote(shown) + " has a $ that nothing expands", "only a leading $WORKSPACE, and ${inputs.NAME} in filesystem.read, are expanded"}
	case !ok:
		return &flaw{quote(shown) + " is not absolute", "begin with /, ~/ or $WORKSPACE/"}
	case strings.Contains(rest, "*"):
		return &flaw{quote(shown) + " has a *, and patterns are not expanded", "grant the folder: it covers everything beneath"}
	case hasParent(s):
		return &flaw{quote(shown) + ` contains ".."`, "write the path without it"}
	}
	return checkKernelFolder(s)
}

// checkText refuses bytes that no path should have.
func checkText(s, shown string) *flaw {
	switch {
	case s == "":
		return &flaw{"is empty", "write a path"}
	case len(s) > maxPath:
		return &flaw{fmt.Sprintf("has %d bytes; a path has at most %d", len(s), maxPath), ""}
	case !utf8.ValidString(s):
		return &flaw{quote(shown) + " is not UTF-8", ""}
	case strings.ContainsFunc(s, unicode.IsControl):
		return &flaw{quote(shown) + " contains a control character", ""}
	}
	return nil
}

// cutStart splits a path behind what it may begin with.
func cutStart(s string) (rest string, ok bool) {
	for _, start := range []string{"", "~", workspace} {
		if rest, ok := strings.CutPrefix(s, start); ok && (strings.HasPrefix(rest, "/") || start != "" && rest == "") {
			return rest, true
		}
	}
	return s, false
}

// hasParent says whether a component of a path is "..".
func hasParent(s string) bool {
	for part := range strings.SplitSeq(s, "/") {
		if part == ".." {
			return true
		}
	}
	return false
}

// kernelFolders are the sandbox's own: the host's would show its processes
// and devices.
var kernelFolders = []string{"/proc", "/sys", "/dev"}

func checkKernelFolder(s string) *flaw {
	for _, folder := range kernelFolders {
		if covers(folder, path.Clean(s)) {
			return &flaw{fmt.Sprintf("%s of the host may not be granted", folder), "the sandbox has its own"}
		}
	}
	return nil
}

// covers says whether a clean path is, or lies beneath, a clean folder, by
// components: /a covers /a/b and not /ab. An empty name covers nothing.
func covers(folder, s string) bool {
	switch folder {
	case "":
		return false
	case s:
		return true
	case "/":
		return strings.HasPrefix(s, "/")
	}
	return strings.HasPrefix(s, folder) && s[len(folder)] == '/'
}
