package wire

import (
	"io/fs"
	"testing"

	"github.com/bulkhead-dev/bulkhead/internal/learn"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
	"github.com/bulkhead-dev/bulkhead/internal/service"
	"github.com/bulkhead-dev/bulkhead/internal/workspace"
	"github.com/bulkhead-dev/bulkhead/policy"
)

func TestWritten_isGolden(t *testing.T) {
	changed := workspace.Change{Path: "/p/a\xff", Op: workspace.Changed, Kind: workspace.File, Size: 3, Mode: 0o755 | fs.ModeSetuid, WasMode: 0o644, Protected: "why"}
	link := workspace.Change{Path: "/p/l", Op: workspace.Changed, Kind: workspace.Link, Was: workspace.Dir, WasMode: 0o700, Target: "/x", Entries: 2, Problem: "it leads out"}
	got, err := JSON(Written(service.Written{
		Name: "w", Kept: true, Note: "the command failed",
		Changes: []workspace.Change{changed, {Path: "/p/d", Op: workspace.Removed, Kind: workspace.Dir, WasMode: 0o755}},
		Outcome: workspace.Outcome{Held: []workspace.Held{{Change: link, Why: "it leads out"}}},
	}))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"name":"w","kept":true,"changes":[` +
		`{"path":"/p/a�","op":"changed","kind":"file","was":"","size":3,"mode":"urwxr-xr-x","was_mode":"-rw-r--r--","target":"","entries":0,"protected":"why","problem":""},` +
		`{"path":"/p/d","op":"removed","kind":"folder","was":"","size":0,"mode":"","was_mode":"drwxr-xr-x","target":"","entries":0,"protected":"","problem":""}],` +
		`"committed":[],"held":[{"change":{"path":"/p/l","op":"changed","kind":"link","was":"folder","size":0,"mode":"","was_mode":"drwx------","target":"/x","entries":2,"protected":"","problem":"it leads out"},"why":"it leads out"}],` +
		`"note":"the command failed"}`
	if string(got) != want {
		t.Errorf("JSON =\n%s\nwant\n%s", got, want)
	}
}

func TestLearned_leavesTheOutputOut(t *testing.T) {
	m, err := Learned(learn.Lesson{
		Passed: true, Rounds: 2, Policy: policy.Policy{}.With(policy.ReadOnly("/srv/a")),
		Grants: []learn.Suggestion{{Path: "/srv/a", Verdict: learn.OK, Why: "why", Seen: []string{"open"}}},
		Last:   sandbox.Result{Stdout: []byte("secret output")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if m.GetLast().GetStdout() != "" || m.GetGrants()[0].GetGrant() != "--read /srv/a" || m.GetPolicyYaml() != "filesystem:\n  read:\n    - /srv/a # ok: why (open)\n" {
		t.Errorf("message = %v", m)
	}
}
