package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	apiv1 "github.com/bulkhead-dev/bulkhead/api/v1"
	"github.com/bulkhead-dev/bulkhead/internal/server/wire"
)

// manifest is a bundle with one node that does nothing.
const manifest = `{"apiVersion":"bulkhead/v1","id":"b","name":"b","entrypoints":["a"],
"inputs":{"needed":{"description":"x"}},
"nodes":[{"id":"a","type":"executor","config":{"command":["true"]}}],"edges":[]}`

// files of the folder in which the rows run; a trailing slash makes a folder.
var files = map[string]string{
	"bundle/manifest.json":     manifest,
	"bundle/payloads/.keep":    "",
	"nopayloads/manifest.json": manifest,
	"broken/manifest.json":     "{\n\"a\": }",
	"broken/payloads/.keep":    "",
	"empty/":                   "",
	"foreign/thesis.txt":       "x",
	"future/VERSION":           "99\n",
	"file":                     "x",
	"list.json":                "[1]",
	"broken.json":              "{",
	"policy/empty.yaml":        "",
	"policy/typo.yaml":         "filesystem:\n  reed: [/usr]\n",
	"policy/broken.yaml":       "a: [",
	"policy/relative.yaml":     "filesystem: {read: [etc]}\n",
	"policy/everything.yaml":   "filesystem: {write: [/]}\n",
	"policy/network.yaml":      "network: {allow: [example.org]}\n",
	"policy/negative.yaml":     "limits: {pids: -1}\n",
	"policy/layer.yaml":        "layer: microvm\n",
	"policy/preload.yaml":      "env: {pass: [LD_PRELOAD]}\n",
	"policy/two.yaml":          "layer: native\nlayer: native\n",
	"damaged/VERSION":          "1\n",
	"damaged/db/marker.manifest.000001.MANIFEST-000001": "",
}

func TestBadInput_givesOneClearError(t *testing.T) {
	run := func(rest ...string) []string {
		return append([]string{"blueprint", "run", "--state", "s", "--set", "needed=1", "--folder", "bundle"}, rest...)
	}
	policy := func(name string) []string { return []string{"explain", "--policy", "policy/" + name, "--", "true"} }
	rows := []struct {
		name string
		args []string
		code int
		says string // in the message
		hint string // in the hint; empty: any or none
	}{
		// Words and flags.
		{"unknown command", []string{"exce"}, 2, `unknown command "exce"`, "exec"},
		{"unknown subcommand", []string{"job", "lits"}, 2, `unknown command "lits" for bulkhead job`, "list"},
		{"unknown flag", run("--detatch"), 2, `unknown flag "--detatch"`, "--detach"},
		{"unknown short flag", []string{"job", "list", "-z"}, 2, "unknown shorthand flag", "--help"},
		{"flag without a value", []string{"job", "list", "--max"}, 2, "needs an argument", "--help"},
		{"number that is none", []string{"job", "list", "--max", "many"}, 2, `"many"`, "--help"},
		{"too many jobs", []string{"job", "list", "--max", "5000", "--state", "empty"}, 2, "at most 1000", ""},
		{"argument too much", []string{"doctor", "now"}, 2, `does not want "now"`, ""},
		{"no job", []string{"job", "cancel"}, 2, "wants JOB", "--help"},
		{"unknown status", []string{"job", "list", "--status", "runing"}, 2, `unknown status "runing"`, "running"},
		{"unknown shell", []string{"completion", "bahs"}, 2, `unknown shell "bahs"`, "bash"},
		{"size without a unit we know", []string{"explain", "--memory", "5X", "--", "true"}, 2, "not a size", ""},
		{"no size at all", []string{"explain", "--memory", "0", "--", "true"}, 2, "more than zero", ""},
		{"time without a unit", []string{"explain", "--timeout", "5", "--", "true"}, 2, "5", ""},
		{"negative time", []string{"explain", "--timeout", "-5s", "--", "true"}, 2, "negative", ""},
		{"variable without a value", []string{"explain", "--env", "A", "--", "true"}, 2, "NAME=VALUE", "--pass-env A"},
		{"variable without a name", []string{"explain", "--env", "=b", "--", "true"}, 2, "NAME=VALUE", ""},
		{"variable with a bad name", []string{"explain", "--env", "A B=c", "--", "true"}, 2, "not a name", ""},
		{"dangerous variable", []string{"explain", "--pass-env", "LD_PRELOAD", "--", "true"}, 2, "LD_PRELOAD", ""},
		{"unknown layer", []string{"explain", "--layer", "steel", "--", "true"}, 2, `"steel"`, ""},
		{"unknown profile", []string{"explain", "--syscalls", "lax", "--", "true"}, 2, `"lax"`, ""},
		{"no command", []string{"explain"}, 2, "wants a command", ""},
		{"empty grant", []string{"explain", "--read", "", "--", "true"}, 2, "empty path", ""},
		{"grant that is not there", []string{"explain", "--read", "/nonexistent", "--", "true"}, 2, "/nonexistent", ""},
		{"the whole host", []string{"explain", "--write", "/", "--", "true"}, 2, "whole host", ""},
		{"kernel folder", []string{"explain", "--read", "/proc", "--", "true"}, 2, "/proc", ""},

		// Policies.
		{"policy that is not there", policy("none.yaml"), 2, "no such file", ""},
		{"policy that is a folder", []string{"explain", "--policy", "policy", "--", "true"}, 2, "is a folder", ""},
		{"empty policy", policy("empty.yaml"), 2, "policy/empty.yaml", ""},
		{"policy with a typo", policy("typo.yaml"), 2, "reed", "read"},
		{"broken policy", policy("broken.yaml"), 2, "policy/broken.yaml", ""},
		{"relative grant", policy("relative.yaml"), 2, "not absolute", ""},
		{"grant of everything", policy("everything.yaml"), 2, "whole host", ""},
		{"network", policy("network.yaml"), 2, "network", ""},
		{"negative limit", policy("negative.yaml"), 2, "pids", ""},
		{"layer of a later version", policy("layer.yaml"), 2, "microvm", ""},
		{"variable of the loader", policy("preload.yaml"), 2, "LD_PRELOAD", ""},
		{"key given twice", policy("two.yaml"), 2, "layer", ""},

		// Bundles and inputs.
		{"no folder", []string{"blueprint", "run"}, 2, "--folder", "--folder ./bundle"},
		{"folder that is not there", []string{"blueprint", "run", "--state", "s", "--folder", "nowhere"}, 2, "nowhere", ""},
		{"folder that is a file", []string{"blueprint", "run", "--state", "s", "--folder", "file"}, 2, "file", ""},
		{"folder without a manifest", []string{"blueprint", "validate", "empty"}, 2, "manifest.json", ""},
		{"folder without payloads", []string{"blueprint", "validate", "nopayloads"}, 2, "payloads", ""},
		{"broken manifest", []string{"blueprint", "run", "--state", "s", "--folder", "broken"}, 2, "manifest.json:2:", ""},
		{"missing input", []string{"blueprint", "run", "--state", "s", "--folder", "bundle"}, 2, "needed", ""},
		{"unknown input", run("--set", "neded=1"), 2, "neded", "needed"},
		{"input without a value", run("--set", "needed"), 2, "NAME=VALUE", ""},
		{"inputs that are not there", run("--inputs", "none.json"), 2, "none.json", ""},
		{"broken inputs", run("--inputs", "broken.json"), 2, "broken.json", ""},
		{"inputs that are a list", run("--inputs", "list.json"), 2, "one JSON object", ""},
		{"negative timeout", run("--timeout", "-1s"), 2, "negative", ""},

		// State folders.
		{"state that is a file", run("--state", "file"), 2, "file", "--state"},
		{"state with other people's files", run("--state", "foreign"), 2, "not a state folder", "--state"},
		{"state of a later version", run("--state", "future"), 5, "99", "version"},
		{"damaged state", []string{"job", "list", "--state", "damaged"}, 5, "damaged", ""},
		{"state that is not there", []string{"job", "list", "--state", "nowhere"}, 2, "no state folder", "--state"},
		{"job that is not there", []string{"job", "show", "nope", "--state", "empty"}, 2, "nope", ""},
		{"job id that is none", []string{"job", "show", "../../etc", "--state", "empty"}, 2, "there is no job", "job list"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Chdir(lay(t, files))
			before := tree(t, "foreign", "future")

			for _, asJSON := range []bool{false, true} {
				code, message, hint := runBad(t, row.args, asJSON)
				if code != row.code || !strings.Contains(message, row.says) || !strings.Contains(hint+message, row.hint) {
					t.Errorf("exit code %d: %s\nhint: %s\nwant %d, %q, hint %q", code, message, hint, row.code, row.says, row.hint)
				}
			}
			if after := tree(t, "foreign", "future"); after != before {
				t.Errorf("a folder that is not ours was touched: %s", after)
			}
		})
	}
}

// runBad runs the program and reads its one error.
func runBad(t *testing.T, args []string, asJSON bool) (code int, message, hint string) {
	t.Helper()
	if asJSON {
		args = append([]string{args[0], "--json"}, args[1:]...)
	}
	var out, err bytes.Buffer
	getenv := func(name string) string {
		return map[string]string{"HOME": "/nonexistent", "BULKHEAD_STATE": "s"}[name]
	}
	code = program{in: strings.NewReader(""), out: &out, err: &err, getenv: getenv}.run(args)
	if asJSON {
		return code, errorOf(t, out.Bytes()).GetMessage() + problemsOf(t, out.Bytes()), errorOf(t, out.Bytes()).GetHint()
	}
	if out.Len() > 0 && !strings.Contains(strings.Join(args, " "), "validate") {
		t.Errorf("stdout: %s", out.String())
	}
	message, hint, _ = strings.Cut(err.String(), "bulkhead: hint: ")
	return code, message + out.String(), hint
}

func errorOf(t *testing.T, line []byte) *apiv1.Error {
	t.Helper()
	e := new(apiv1.Error)
	if err := wire.FromJSON(line, e); err != nil {
		t.Fatalf("not an Error: %s: %v", line, err)
	}
	return e
}

func problemsOf(t *testing.T, line []byte) string {
	text := ""
	for _, p := range errorOf(t, line).GetProblems() {
		text += "\n" + problemLine(p)
	}
	return text
}

// lay makes files in a new folder.
func lay(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "/") {
			if err := os.MkdirAll(path, 0o700); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// tree lists every file beneath some folders.
func tree(t *testing.T, dirs ...string) string {
	t.Helper()
	var names []string
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			names = append(names, path)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return strings.Join(names, " ")
}
