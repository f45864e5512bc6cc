package keeper_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/jail/reexec"
	"github.com/bulkhead-dev/bulkhead/internal/keeper"
	"github.com/bulkhead-dev/bulkhead/internal/kernel/kerneltest"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox/live"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox/native"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox/sandboxtest"
	"github.com/bulkhead-dev/bulkhead/internal/service"
	"github.com/bulkhead-dev/bulkhead/policy"
)

func TestMain(m *testing.M) {
	reexec.Init()
	os.Exit(sandboxtest.Main(m))
}

// newKeeper is a keeper over the native layer, that ends with the test.
func newKeeper(t *testing.T) *keeper.Keeper {
	t.Helper()
	opt := native.Options{Init: sandboxtest.Init(t)}
	if os.Geteuid() != 0 {
		opt.LeaseDir = filepath.Join(t.TempDir(), "uids")
	}
	m := sandbox.New(native.New(opt))
	_, err := m.Run(t.Context(), sandbox.Request{Args: []string{"true"}}, sandbox.IO{})
	capability := "user namespace"
	if os.Geteuid() == 0 {
		capability = "root"
	}
	kerneltest.Need(t, capability, err == nil, "no sandbox can be started")
	k := keeper.New(service.NewSandboxes(m, "/nonexistent", policy.HostPaths{}))
	t.Cleanup(func() { must(t, k.Close()) })
	return k
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func create(t *testing.T, k *keeper.Keeper, name string) *keeper.Box {
	t.Helper()
	b, err := k.Create(t.Context(), name, service.Opening{})
	must(t, err)
	return b
}

// sh runs a script in a box and returns its output.
func sh(t *testing.T, b *keeper.Box, script string) string {
	t.Helper()
	var out bytes.Buffer
	x := b.Exec(keeper.Start{Args: []string{"sh", "-c", script}})
	x.Stdout, x.Stderr = &out, &out
	must(t, x.Start(t.Context()))
	if _, err := x.Wait(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestCreate_keepsNamesApart(t *testing.T) {
	k := newKeeper(t)
	a := create(t, k, "a")
	if _, err := k.Create(t.Context(), "a", service.Opening{}); fault.KindOf(err) != fault.Exists {
		t.Errorf("the same name: %v, want exists", err)
	}
	for _, name := range []string{"A", "-a", "a b", "a/b", "../a", ".a", strings.Repeat("a", 64), "é"} {
		if _, err := k.Create(t.Context(), name, service.Opening{}); fault.KindOf(err) != fault.Invalid {
			t.Errorf("the name %q: %v, want invalid", name, err)
		}
	}
	made := create(t, k, "")
	if got, err := k.Get(made.Name); err != nil || got != made {
		t.Errorf("a made-up name: %v, %v", got, err)
	}
	if got, err := k.Get("a"); err != nil || got != a {
		t.Errorf("Get = %v, %v", got, err)
	}
	list := k.List()
	if len(list) != 2 || list[0] != a || list[1] != made {
		t.Errorf("List = %v", list)
	}
	_, err := k.Get("aa")
	if fault.KindOf(err) != fault.NotFound || fault.HintOf(err) != "did you mean 'a'?" {
		t.Errorf("Get = %v, hint %q", err, fault.HintOf(err))
	}
}

func TestCreate_freesANameThatFailed(t *testing.T) {
	k := newKeeper(t)
	bad := service.Opening{Policy: policy.Policy{}.With(policy.ReadOnly("/proc"))}
	for range 2 {
		if _, err := k.Create(t.Context(), "a", bad); fault.KindOf(err) != fault.Denied && fault.KindOf(err) != fault.Invalid {
			t.Errorf("Create = %v", err)
		}
	}
	create(t, k, "a")
}

func TestCreate_givesANameToOneOfMany(t *testing.T) {
	k := newKeeper(t)
	var wg sync.WaitGroup
	errs := make(chan error, 8)
	for range cap(errs) {
		wg.Go(func() {
			_, err := k.Create(t.Context(), "a", service.Opening{})
			errs <- err
		})
	}
	wg.Wait()
	close(errs)
	made := 0
	for err := range errs {
		if err == nil {
			made++
		} else if fault.KindOf(err) != fault.Exists {
			t.Error(err)
		}
	}
	if made != 1 {
		t.Errorf("%d were made", made)
	}
}

func TestRemove_freesTheName(t *testing.T) {
	k := newKeeper(t)
	for _, kill := range []bool{false, true} {
		b := create(t, k, "a")
		must(t, k.Remove("a", kill))
		if b.Err() == nil {
			t.Error("it lives")
		}
		if err := k.Remove("a", kill); fault.KindOf(err) != fault.NotFound || !errors.Is(err, live.ErrClosed) {
			t.Errorf("Remove again = %v", err)
		}
	}
}

func TestGet_saysWhyASandboxIsGone(t *testing.T) {
	k := newKeeper(t)
	b, err := k.Create(t.Context(), "a", service.Opening{Idle: 50 * time.Millisecond})
	must(t, err)
	<-b.Done()
	for {
		if _, err = k.Get("a"); err != nil {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if !errors.Is(err, live.ErrIdle) || !strings.Contains(err.Error(), `no sandbox "a" any more: the sandbox was idle`) {
		t.Errorf("Get = %v", err)
	}
	create(t, k, "a") // and the name is free
}

func TestExec_isNumberedAndLogged(t *testing.T) {
	k := newKeeper(t)
	b := create(t, k, "a")
	var stdout, stderr bytes.Buffer
	x := b.Exec(keeper.Start{Args: []string{"sh", "-c", "echo out; echo err >&2"}})
	x.Stdout, x.Stderr = &stdout, &stderr
	must(t, x.Start(t.Context()))
	if _, err := x.Wait(); err != nil || stdout.String() != "out\n" || stderr.String() != "err\n" {
		t.Errorf("stdout %q, stderr %q, %v", &stdout, &stderr, err)
	}
	x = b.Exec(keeper.Start{Args: []string{"no-such-program"}})
	must(t, x.Start(t.Context()))
	_, err := x.Wait()
	must(t, err)

	var got []string
	must(t, b.Logs(t.Context(), 0, false, func(e keeper.Entry) error {
		got = append(got, strings.TrimSpace(string(rune('0'+e.Exec))+" "+e.Kind+" "+string(e.Text)))
		return nil
	}))
	all := strings.Join(got, "\n")
	for _, want := range []string{"1 start sh -c echo out; echo err >&2", "1 stdout out", "1 stderr err", "1 end exit status 0", "2 start no-such-program", "2 end run \"no-such-program\""} {
		if !strings.Contains(all, want) {
			t.Errorf("the log lacks %q:\n%s", want, all)
		}
	}
	if b.Execs() != 2 {
		t.Errorf("%d execs", b.Execs())
	}
}

func TestExec_hasNoLimitOnOutputUnlessOneIsWritten(t *testing.T) {
	k := newKeeper(t)
	b := create(t, k, "a")
	const size = 20 << 20 // more than the default of a sandbox of one command
	if got := sh(t, b, "head -c 20971520 /dev/zero"); len(got) != size {
		t.Errorf("%d bytes of %d", len(got), size)
	}
	small, err := k.Create(t.Context(), "b", service.Opening{Policy: policy.Policy{}.With(policy.Output(1000))})
	must(t, err)
	if got := sh(t, small, "head -c 20971520 /dev/zero"); len(got) != 1000 {
		t.Errorf("%d bytes of 1000", len(got))
	}
}

func TestSignal_reachesADetachedCommand(t *testing.T) {
	k := newKeeper(t)
	b := create(t, k, "a")
	x := b.Exec(keeper.Start{Args: []string{"sleep", "1000"}})
	must(t, x.Start(t.Context()))
	x.Detach()
	must(t, b.Signal(t.Context(), x.Number, unix.SIGTERM))
	must(t, b.Logs(timeout(t), x.Number, true, func(e keeper.Entry) error {
		if e.Kind == keeper.KindEnd {
			if string(e.Text) != "signal: terminated" {
				t.Errorf("it ended with %q", e.Text)
			}
			return k.Remove("a", true) // ends the following
		}
		return nil
	}))
	if err := b.Signal(t.Context(), x.Number, unix.SIGTERM); fault.KindOf(err) != fault.NotFound {
		t.Errorf("Signal = %v, want not found", err)
	}
}

func timeout(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func TestLinger_leavesWhenThereIsNone(t *testing.T) {
	k := newKeeper(t)
	create(t, k, "a")
	done := make(chan struct{})
	go func() {
		defer close(done)
		k.Linger(t.Context(), 50*time.Millisecond)
	}()
	time.Sleep(200 * time.Millisecond)
	select {
	case <-done:
		t.Fatal("it left a sandbox behind")
	default:
	}
	must(t, k.Remove("a", true))
	<-done
	if _, err := k.Create(t.Context(), "b", service.Opening{}); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("Create after leaving = %v, want unavailable", err)
	}
}

func TestLinger_leavesWhenTold(t *testing.T) {
	k := newKeeper(t)
	b := create(t, k, "a")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	k.Linger(ctx, time.Hour)
	must(t, k.Close())
	must(t, k.Close())
	if b.Err() == nil {
		t.Error("the sandbox lives")
	}
}

func TestCopy_worksLikeCp(t *testing.T) {
	k := newKeeper(t)
	b := create(t, k, "a")
	ctx, host := t.Context(), t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(host, name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(t, os.WriteFile(path, []byte(text), 0o644))
		return path
	}
	file := write("file", "text")
	dir := filepath.Dir(write("dir/inner", "inner"))

	for _, c := range []struct{ from, to string }{
		{file, "/work/file"}, // a new name
		{file, "/work/file"}, // over a file
		{file, "/tmp"},       // into a folder
		{dir, "/work/dir"},   // a new folder
		{dir, "/work/dir"},   // beneath one that is there
		{dir + "/.", "/tmp"}, // the content
	} {
		if _, err := b.CopyIn(ctx, c.from, c.to); err != nil {
			t.Errorf("CopyIn(%s, %s): %v", c.from, c.to, err)
		}
	}
	if got := sh(t, b, "cat /work/file /tmp/file /work/dir/inner /work/dir/dir/inner /tmp/inner"); got != "texttextinnerinnerinner" {
		t.Errorf("inside: %q", got)
	}

	out := filepath.Join(host, "out")
	for _, c := range []struct{ from, to, want string }{
		{"/work/file", out, out},
		{"/work/file", host, filepath.Join(host, "file")},
		{"/work/dir", filepath.Join(host, "copy"), filepath.Join(host, "copy/inner")},
		{"/work/dir", filepath.Join(host, "copy"), filepath.Join(host, "copy/dir/inner")},
		{"/work/dir/.", filepath.Join(host, "content"), filepath.Join(host, "content/inner")},
	} {
		if _, err := b.CopyOut(ctx, c.from, c.to); err != nil {
			t.Errorf("CopyOut(%s, %s): %v", c.from, c.to, err)
		}
		if _, err := os.Stat(c.want); err != nil {
			t.Error(err)
		}
	}
}

func TestCopy_refusesWhatIsNoFile(t *testing.T) {
	k := newKeeper(t)
	b := create(t, k, "a")
	ctx, host := t.Context(), t.TempDir()
	pipe := filepath.Join(host, "pipe")
	must(t, unix.Mkfifo(pipe, 0o644))
	sh(t, b, "mkfifo pipe; mkdir d; ln -s ../../../../../../etc/passwd d/link; ln -s / root")
	for _, row := range []struct {
		name string
		do   func() (keeper.Copied, error)
		want fault.Kind
	}{
		{"a pipe of the host", func() (keeper.Copied, error) { return b.CopyIn(ctx, pipe, "/work/x") }, fault.Invalid},
		{"nothing of the host", func() (keeper.Copied, error) { return b.CopyIn(ctx, host+"/no", "/work/x") }, fault.NotFound},
		{"a pipe of the sandbox", func() (keeper.Copied, error) { return b.CopyOut(ctx, "/work/pipe", host+"/y") }, fault.Invalid},
		{"nothing of the sandbox", func() (keeper.Copied, error) { return b.CopyOut(ctx, "/work/no", host+"/y") }, fault.NotFound},
		{"a folder without a name", func() (keeper.Copied, error) { return b.CopyOut(ctx, "/", host) }, fault.Invalid},
		{"into a place that is read-only", func() (keeper.Copied, error) { return b.CopyIn(ctx, os.Args[0], "/usr/x") }, fault.Denied},
	} {
		if _, err := row.do(); fault.KindOf(err) != row.want {
			t.Errorf("%s: %v, want %v", row.name, err, row.want)
		}
	}
	if _, err := b.CopyOut(ctx, "/work/d", host+"/z"); err == nil {
		t.Error("a link that leads out was copied")
	}
	left, err := os.ReadDir(host)
	must(t, err)
	for _, e := range left {
		if e.Name() != "pipe" && e.Name() != "z" {
			t.Errorf("%s was left on the host", e.Name())
		}
	}
}
