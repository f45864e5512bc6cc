package workspace

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

func TestCreate_refusesWhatMakesNoSense(t *testing.T) {
	b := newBench(t, files{"f": "1"})
	inside := filepath.Join(b.store.dir, "layers")
	for name, tt := range map[string]struct {
		opt  Options
		want fault.Kind
	}{
		"no folder":                    {Options{}, fault.Invalid},
		"a file":                       {Options{Sources: []string{filepath.Join(b.source, "f")}}, fault.Invalid},
		"something missing":            {Options{Sources: []string{"/nonexistent"}}, fault.Invalid},
		"the store itself":             {Options{Sources: []string{inside}}, fault.Denied},
		"a folder that holds it":       {Options{Sources: []string{"/"}}, fault.Denied},
		"a name that is a path":        {Options{Name: "../x", Sources: []string{b.source}}, fault.Invalid},
		"a name that looks like a dot": {Options{Name: "..", Sources: []string{b.source}}, fault.Invalid},
		"a name that looks like -x":    {Options{Name: "-x", Sources: []string{b.source}}, fault.Invalid},
		"a name that is taken":         {Options{Name: "w", Sources: []string{b.source}}, fault.Exists},
	} {
		t.Run(name, func(t *testing.T) {
			w, err := b.store.Create(tt.opt)
			if fault.KindOf(err) != tt.want {
				t.Errorf("Create = %v, want %v", err, tt.want)
			}
			if err == nil {
				w.Release()
			}
		})
	}
	if names, _ := b.store.names(); len(names) != 1 {
		t.Errorf("workspaces = %q, want the first alone", names)
	}
}

func TestCreate_leavesOutFoldersInsideOthers(t *testing.T) {
	b := newBench(t, files{"d/e/": "", "d2/": ""})
	w, err := b.store.Create(Options{Sources: []string{filepath.Join(b.source, "d/e"), filepath.Join(b.source, "d"), filepath.Join(b.source, "d2")}})
	must(t, err)
	defer w.Release()
	if got := w.Info().Folders; len(got) != 2 || got[0].Source != filepath.Join(b.source, "d") || got[1].Source != filepath.Join(b.source, "d2") {
		t.Errorf("folders = %+v", got)
	}
}

func TestOpen_refusesAFolderThatOthersCanReach(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Chmod(dir, 0o755))
	if _, err := Open(dir); fault.KindOf(err) != fault.Denied {
		t.Errorf("Open = %v, want it denied", err)
	}
}

func TestHold_isForOneAtATime(t *testing.T) {
	b := newBench(t, nil)
	if _, err := b.store.Hold("w"); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("second Hold = %v, want unavailable", err)
	}
	b.w.Release()
	b.w.Release()
	again, err := b.store.Hold("w")
	must(t, err)
	again.Release()
	if _, err := b.w.Diff(t.Context(), Limits{}); fault.KindOf(err) != fault.Internal {
		t.Errorf("Diff after Release = %v, want refused", err)
	}
	if _, err := b.store.Hold("other"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("Hold of nothing = %v, want not found", err)
	}
}

func TestHold_findsEverythingAgain(t *testing.T) {
	b := newBench(t, files{"a": "1"})
	b.write(files{"a": "2"})
	must(t, b.w.Snapshot())
	want := b.w.Overlays()
	b.w.Release()
	again, err := b.store.Hold("w")
	must(t, err)
	defer again.Release()
	if got := again.Overlays(); len(got) != 1 || got[0].Upper != want[0].Upper || len(got[0].Layers) != 1 || got[0].Layers[0] != want[0].Layers[0] {
		t.Errorf("overlays = %+v, want %+v", got, want)
	}
}

func TestDiscard_leavesNothingAndTouchesNothing(t *testing.T) {
	b := newBench(t, files{"a": "1"})
	b.write(files{"a": "2", "d/e": "3", "l": "-> " + b.source})
	must(t, os.Chmod(filepath.Join(b.upper, "d"), 0)) // what a sandbox can leave behind
	must(t, os.Mkdir(filepath.Join(filepath.Dir(b.upper), "work", "work"), 0))
	must(t, b.w.Discard())
	equal(t, "host", b.host(), "a = 1\n")
	equal(t, "store", listing(t, b.store.dir), "LOCK = \nlayers/\nnamed/\n")
}

func TestFork_sharesThePastAndNothingElse(t *testing.T) {
	b := newBench(t, files{"a": "0"})
	b.write(files{"a": "1", "both": "1"})
	fork, err := b.w.Fork("f")
	must(t, err)
	defer fork.Release()
	b.at()
	other := &bench{t: t, store: b.store, w: fork, source: b.source}
	other.at()
	if b.upper == other.upper || b.w.Overlays()[0].Layers[0] != fork.Overlays()[0].Layers[0] {
		t.Errorf("overlays %+v and %+v", b.w.Overlays(), fork.Overlays())
	}
	b.write(files{"mine": "1"})
	other.write(files{"theirs": "1"})
	equal(t, "diff", b.told(b.diff()), "changed file a\nadded file both\nadded file mine\n")
	equal(t, "diff of the fork", other.told(other.diff()), "changed file a\nadded file both\nadded file theirs\n")

	must(t, b.w.Discard())
	equal(t, "diff of the fork alone", other.told(other.diff()), "changed file a\nadded file both\nadded file theirs\n")
	if fork.Info().Parent != "w" {
		t.Errorf("parent = %q", fork.Info().Parent)
	}
}

func TestFork_knowsWhenTheOtherCommitted(t *testing.T) {
	b := newBench(t, files{"a": "0"})
	fork, err := b.w.Fork("f")
	must(t, err)
	defer fork.Release()
	other := &bench{t: t, store: b.store, w: fork, source: b.source}
	other.at()
	b.at()
	b.write(files{"a": "mine"})
	other.write(files{"a": "theirs"})
	b.commit(Filter{})
	out := other.commit(Filter{})
	equal(t, "held back", other.held(out), "a: it changed on the host since the workspace began\n")
	equal(t, "host", b.host(), "a = mine\n")
}

func TestSnapshot_ofNothingAddsNoLayer(t *testing.T) {
	b := newBench(t, nil)
	for range 3 {
		must(t, b.w.Snapshot())
	}
	if n := len(b.w.Overlays()[0].Layers); n != 0 {
		t.Errorf("layers = %d, want none", n)
	}
}

func TestSnapshot_stopsBeforeTheKernelDoes(t *testing.T) {
	b := newBench(t, nil)
	var err error
	for i := 0; err == nil && i < 100; i++ {
		b.at()
		b.write(files{"f": strings.Repeat("x", i)})
		err = b.w.Snapshot()
	}
	if fault.KindOf(err) != fault.Exhausted || len(b.w.Overlays()[0].Layers) != MaxLayers {
		t.Errorf("Snapshot = %v with %d layers", err, len(b.w.Overlays()[0].Layers))
	}
}

func TestSweep_removesWhatAKilledProcessLeft(t *testing.T) {
	b := newBench(t, nil)
	must(t, os.MkdirAll(filepath.Join(b.store.dir, "layers", "orphan", "fs"), 0o700))
	must(t, os.MkdirAll(filepath.Join(b.store.dir, "named", "half"), 0o700))
	other, err := b.store.Create(Options{Name: "other", Sources: []string{b.source}})
	must(t, err)
	must(t, other.Discard())
	for _, gone := range []string{"layers/orphan", "named/half", "named/other"} {
		if _, err := os.Stat(filepath.Join(b.store.dir, gone)); err == nil {
			t.Errorf("%s is still there", gone)
		}
	}
	if _, err := os.Stat(b.upper); err != nil {
		t.Errorf("a layer in use was swept: %v", err)
	}
}

func TestSweep_keepsEverythingWhenOneCannotBeRead(t *testing.T) {
	b := newBench(t, nil)
	other, err := b.store.Create(Options{Name: "other", Sources: []string{b.source}})
	must(t, err)
	upper := other.Overlays()[0].Upper
	other.Release()
	must(t, os.WriteFile(filepath.Join(b.store.dir, "named", "other", infoName), []byte("{"), 0o600))
	must(t, b.w.Discard())
	if _, err := os.Stat(upper); err != nil {
		t.Errorf("the layer of a workspace that cannot be read was swept: %v", err)
	}
	if all, err := b.store.List(); fault.KindOf(err) != fault.Corrupt && err == nil || len(all) != 0 {
		t.Errorf("List = %v, %v", all, err)
	}
}

func TestDiscard_removesWhatIsDeeperThanAnyPath(t *testing.T) {
	b := newBench(t, nil)
	fd, err := unix.Open(b.upper, unix.O_DIRECTORY, 0)
	must(t, err)
	name := strings.Repeat("deeper", 20)
	for i := range 100 {
		must(t, unix.Mkdirat(fd, name, 0o700))
		next, err := unix.Openat(fd, name, unix.O_DIRECTORY, 0)
		must(t, err)
		if i%10 == 0 {
			must(t, unix.Fchmod(fd, 0)) // nor may anybody look into it
		}
		unix.Close(fd)
		fd = next
	}
	unix.Close(fd)
	must(t, b.w.Discard())
	equal(t, "store", listing(t, b.store.dir), "LOCK = \nlayers/\nnamed/\n")
}
