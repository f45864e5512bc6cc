package learn

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/event"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// step is one thing that the fake program does.
type step struct {
	op    string // open, stat, create, connect
	path  string
	write bool
	must  bool // the program fails without it, and goes no further
}

// fake is a program, and the sandbox that it runs in.
type fake struct {
	t     *testing.T
	steps []step
	runs  []policy.Policy
	flaky int // a run that fails whatever is granted; 0: none
}

func (f *fake) run(_ context.Context, p policy.Policy) (sandbox.Result, error) {
	f.runs = append(f.runs, p)
	if !p.TraceDenials {
		f.t.Error("a run was not watched")
	}
	var r sandbox.Result
	for _, s := range f.steps {
		if allowed(p, s) {
			continue
		}
		r.Report.Denials = append(r.Report.Denials, denial(s))
		if s.must {
			r.ExitCode = 1
			break
		}
	}
	if len(f.runs) == f.flaky {
		r.ExitCode = 1
	}
	return r, nil
}

func allowed(p policy.Policy, s step) bool {
	grants := p.Filesystem.Write
	if !s.write {
		grants = slices.Concat(grants, p.Filesystem.Read)
	}
	return slices.ContainsFunc(grants, func(g string) bool { return beneath(s.path, g) })
}

func denial(s step) event.Denial {
	d := event.Denial{Operation: s.op, Object: s.path, Step: "private root", Grant: readFlag + s.path, Source: "trace", Count: 1}
	switch {
	case s.op == "connect":
		d.Step, d.Grant = "network namespace", ""
	case s.write && s.op == "create":
		d.Grant = writeFlag + filepath.Dir(s.path)
	case s.write:
		d.Grant = writeFlag + s.path
	}
	return d
}

// learn lets a fake program be learned.
func (f *fake) learn(opt Options) Lesson {
	f.t.Helper()
	opt.Run = f.run
	if opt.Args == nil {
		opt.Args = []string{"program"}
	}
	if opt.May == nil {
		opt.May = func(policy.Policy) error { return nil }
	}
	l, err := Learn(f.t.Context(), opt)
	if err != nil {
		f.t.Fatal(err)
	}
	return l
}

// folder makes files in a folder that everybody may read.
func folder(t *testing.T, names ...string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "learn-*") // not the test's own folder: its name could look like a secret's
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	for _, name := range names {
		at := filepath.Join(dir, name)
		must(t, os.MkdirAll(filepath.Dir(at), 0o755))
		must(t, os.WriteFile(at, []byte("x"), 0o644))
	}
	return dir
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// short is a policy's paths beneath a folder, as text.
func short(p policy.Policy, dir string) string {
	text := fmt.Sprintf("read %v write %v", p.Filesystem.Read, p.Filesystem.Write)
	return strings.ReplaceAll(strings.ReplaceAll(text, dir+"/", ""), dir, ".")
}

func TestLearn_findsWhatIsNeeded(t *testing.T) {
	for name, tt := range map[string]struct {
		files []string
		steps func(dir string) []step
		want  string
	}{
		"nothing":                        {nil, func(string) []step { return nil }, "read [] write []"},
		"one file":                       {[]string{"a", "b"}, func(d string) []step { return []step{{"open", d + "/a", false, true}} }, "read [a] write []"},
		"two files, one after the other": {[]string{"a", "b"}, func(d string) []step { return []step{{"open", d + "/a", false, true}, {"open", d + "/b", false, true}} }, "read [a b] write []"},
		"what it passes without is left out": {[]string{"a", "b"}, func(d string) []step {
			return []step{{"open", d + "/b", false, false}, {"open", d + "/a", false, true}}
		}, "read [a] write []"},
		"many files become their folder":    {[]string{"d/a", "d/b", "d/c", "x"}, many("d/a", "d/b", "d/c"), "read [d] write []"},
		"fewer are enough in a project":     {[]string{"p/go.mod", "p/s/a", "p/s/b"}, many("p/s/a", "p/s/b"), "read [p/s] write []"},
		"folders of a project become it":    {[]string{"p/go.mod", "p/s/a", "p/t/b"}, many("p/s/a", "p/t/b"), "read [p] write []"},
		"a folder with a secret does not":   {[]string{"d/a", "d/b", "d/c", "d/.env"}, many("d/a", "d/b", "d/c"), "read [d/a d/b d/c] write []"},
		"a folder with a secret deep in it": {[]string{"d/a", "d/b", "d/c", "d/x/y/id_rsa"}, many("d/a", "d/b", "d/c"), "read [d/a d/b d/c] write []"},
		"writing":                           {[]string{"o/old"}, func(d string) []step { return []step{{"create", d + "/o/new", true, true}} }, "read [] write [o]"},
		"writing a file means its folder":   {[]string{"o/old"}, func(d string) []step { return []step{{"open", d + "/o/old", true, true}} }, "read [] write [o]"},
		"reading and then writing": {[]string{"o/old"}, func(d string) []step {
			return []step{{"open", d + "/o/old", false, true}, {"create", d + "/o/new", true, true}}
		}, "read [] write [o]"},
		"what it only looks for comes last": {[]string{"a", "b"}, func(d string) []step {
			return []step{{"stat", d + "/b", false, false}, {"open", d + "/a", false, true}}
		}, "read [a] write []"},
		"but comes when nothing else is there": {[]string{"a", "b"}, func(d string) []step { return []step{{"stat", d + "/b", false, true}, {"open", d + "/a", false, true}} }, "read [a b] write []"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := folder(t, tt.files...)
			f := &fake{t: t, steps: tt.steps(dir)}
			l := f.learn(Options{})
			if got := short(l.Policy, dir); got != tt.want || !l.Passed {
				t.Errorf("policy = %s, passed %v (%s), want %s", got, l.Passed, l.Note, tt.want)
			}
			last, _ := f.run(t.Context(), l.Policy.With(policy.TraceDenials()))
			if last.ExitCode != 0 {
				t.Errorf("it does not pass under its own policy: %+v", last.Report.Denials)
			}
		})
	}
}

// many are files that must be opened, one after the other.
func many(names ...string) func(string) []step {
	return func(dir string) []step {
		var all []step
		for _, n := range names {
			all = append(all, step{"open", filepath.Join(dir, n), false, true})
		}
		return all
	}
}

func TestLearn_neverProposesWhatIsRefused(t *testing.T) {
	dir := folder(t, "ok", ".hidden", "id_rsa", "sub/api-token.txt", "s/.env")
	must(t, unix.Mknod(filepath.Join(dir, "sock"), unix.S_IFSOCK|0o666, 0))
	must(t, unix.Mkfifo(filepath.Join(dir, "pipe"), 0o666))
	must(t, os.Symlink("/etc/shadow", filepath.Join(dir, "innocent")))
	paths := []string{"/etc/shadow", "/root", "/root/.ssh/id_ed25519", dir + "/.hidden", dir + "/id_rsa", dir + "/sub/api-token.txt", dir + "/sock", dir + "/pipe", dir + "/innocent", dir + "/s"}
	f := &fake{t: t}
	for _, p := range paths {
		f.steps = append(f.steps, step{"open", p, false, false}, step{"open", p, true, false})
	}
	f.steps = append(f.steps, step{"connect", "192.0.2.1:443", false, false}, step{"open", dir + "/ok", false, true})
	l := f.learn(Options{})
	if got := short(l.Policy, dir); got != "read [ok] write []" {
		t.Errorf("policy = %s", got)
	}
	for _, p := range append(paths, "192.0.2.1:443") {
		if !slices.ContainsFunc(l.Refused, func(s Suggestion) bool { return s.Path == p && s.Flag() == "" && s.Why != "" }) {
			t.Errorf("%s is not told as refused: %+v", p, l.Refused)
		}
	}
	for _, p := range f.runs {
		for _, g := range append(p.Filesystem.Read, p.Filesystem.Write...) {
			if g != dir+"/ok" {
				t.Errorf("a run was granted %s", g)
			}
		}
	}
}

func TestLearn_asksWhatMayBeGranted(t *testing.T) {
	dir := folder(t, "a", "b")
	f := &fake{t: t, steps: many("a", "b")(dir)}
	l := f.learn(Options{May: func(p policy.Policy) error {
		if slices.Contains(p.Filesystem.Read, dir+"/b") {
			return errors.New("it is Bulkhead's own\nsecond line")
		}
		return nil
	}})
	if l.Passed || short(l.Policy, dir) != "read [a] write []" || len(l.Refused) != 1 || l.Refused[0].Why != "it is Bulkhead's own" {
		t.Errorf("lesson = %+v", l)
	}
}

func TestLearn_stopsWhenNothingNewIsRefused(t *testing.T) {
	f := &fake{t: t, steps: []step{{"connect", "192.0.2.1:443", false, true}}}
	l := f.learn(Options{})
	if l.Passed || l.Rounds != 1 || !strings.Contains(l.Note, "nothing more that could be granted") {
		t.Errorf("lesson = %+v", l)
	}
}

func TestLearn_stopsAfterItsRounds(t *testing.T) {
	dir := folder(t, "1/a", "2/b", "3/c", "4/d", "5/e")
	f := &fake{t: t, steps: many("1/a", "2/b", "3/c", "4/d", "5/e")(dir)}
	l := f.learn(Options{Rounds: 2})
	if l.Passed || l.Rounds != 2 || len(f.runs) != 2 || l.Note == "" {
		t.Errorf("lesson = %+v after %d runs", l, len(f.runs))
	}
}

func TestLearn_saysWhatItCouldNotProve(t *testing.T) {
	dir := folder(t, "a", "b")
	f := &fake{t: t, steps: []step{{"open", dir + "/b", false, false}, {"open", dir + "/a", false, true}}}
	l := f.learn(Options{Rounds: 2})
	if !l.Passed || len(l.Grants) != 2 || l.Grants[0].Verdict != Look || !strings.Contains(l.Grants[0].Why, "rounds ran out") {
		t.Errorf("lesson = %+v", l)
	}
}

func TestLearn_keepsWhatItWasGiven(t *testing.T) {
	dir := folder(t, "given", "a")
	base := policy.Policy{}.With(policy.ReadOnly(dir + "/given"))
	f := &fake{t: t, steps: many("a")(dir)}
	l := f.learn(Options{Base: base})
	if got := short(l.Policy, dir); got != "read [given a] write []" {
		t.Errorf("policy = %s", got)
	}
	if len(base.Filesystem.Read) != 1 {
		t.Errorf("the base changed: %+v", base)
	}
}

func TestLearn_takesThePathThatTheCommandNames(t *testing.T) {
	dir := folder(t, "p/app/main.js")
	f := &fake{t: t, steps: []step{{"stat", dir + "/p", false, true}}}
	f.steps[0].path = dir + "/p/app/main.js" // what it takes to pass
	refuse := f.run
	l, err := Learn(t.Context(), Options{
		Args: []string{"node", "--file=" + dir + "/p/app/main.js"},
		May:  func(policy.Policy) error { return nil },
		Run: func(ctx context.Context, p policy.Policy) (sandbox.Result, error) {
			r, err := refuse(ctx, p)
			for i := range r.Report.Denials {
				r.Report.Denials[i] = denial(step{"stat", dir + "/p", false, true}) // it looks at the folder first
			}
			return r, err
		},
	})
	must(t, err)
	if got := short(l.Policy, dir); got != "read [p/app/main.js] write []" {
		t.Errorf("policy = %s", got)
	}
}

func TestLearn_grantsTheProgramItself(t *testing.T) {
	dir := folder(t, "bin/tool")
	tool := dir + "/bin/tool"
	l, err := Learn(t.Context(), Options{
		Args: []string{tool}, May: func(policy.Policy) error { return nil },
		Run: func(_ context.Context, p policy.Policy) (sandbox.Result, error) {
			if slices.Contains(p.Filesystem.Read, tool) {
				return sandbox.Result{}, nil
			}
			return sandbox.Result{ExitCode: 127}, nil
		},
	})
	must(t, err)
	if got := short(l.Policy, dir); got != "read [bin/tool] write []" {
		t.Errorf("policy = %s", got)
	}
}

func TestLearn_doesNotTrustNamesWithEscapes(t *testing.T) {
	dir := folder(t, "a")
	f := &fake{t: t, steps: []step{{"open", dir + `/a\x0ab`, false, true}, {"open", dir + "/../" + filepath.Base(dir) + "/a", false, true}}}
	l := f.learn(Options{})
	if l.Passed || len(l.Grants) != 0 || l.Refused[0].Why != "its name cannot be told exactly" {
		t.Errorf("lesson = %+v", l)
	}
}

func TestLearn_passesErrorsOn(t *testing.T) {
	want := fault.New(fault.NotFound, "no such command")
	_, err := Learn(t.Context(), Options{Args: []string{"x"}, Run: func(context.Context, policy.Policy) (sandbox.Result, error) { return sandbox.Result{}, want }})
	if !errors.Is(err, want) {
		t.Errorf("Learn = %v", err)
	}
	_, err = Learn(t.Context(), Options{Args: []string{"x"}, Run: func(context.Context, policy.Policy) (sandbox.Result, error) {
		return sandbox.Result{Cancelled: true}, nil
	}})
	if fault.KindOf(err) != fault.Cancelled {
		t.Errorf("Learn = %v, want cancelled", err)
	}
}

func TestLearn_believesOnlyRunsThatPassed(t *testing.T) {
	dir := folder(t, "a", "b")
	f := &fake{t: t, steps: []step{{"open", dir + "/b", false, false}, {"open", dir + "/a", false, true}}, flaky: 3}
	l := f.learn(Options{})
	last, _ := f.run(t.Context(), l.Policy.With(policy.TraceDenials()))
	if !l.Passed || last.ExitCode != 0 {
		t.Errorf("lesson = %+v", l)
	}
}

func TestLesson_printsACommentForEachGrant(t *testing.T) {
	dir := folder(t, "a", "o/x")
	f := &fake{t: t, steps: []step{{"open", dir + "/a", false, true}, {"create", dir + "/o/new", true, true}}}
	l := f.learn(Options{Base: policy.Policy{}.With(policy.ReadOnly("/srv"))})
	var b strings.Builder
	must(t, l.Print(&b))
	text := strings.ReplaceAll(b.String(), dir, "DIR")
	want := "filesystem:\n  read:\n    - /srv # given\n    - DIR/a # look: not everybody on the host may read it (open)\n  write:\n    - DIR/o # look: it is written (create)\n"
	if text != want {
		t.Errorf("printed\n%s\nwant\n%s", text, want)
	}
	again, err := policy.Parse("p", []byte(b.String()))
	must(t, err)
	if short(again, "") != short(l.Policy, "") {
		t.Errorf("read back %+v, want %+v", again, l.Policy)
	}
}
