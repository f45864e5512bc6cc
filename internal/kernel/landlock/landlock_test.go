//go:build linux

package landlock

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/kernel/kerneltest"
)

func need(t *testing.T, atLeast int) int {
	s := Probe()
	kerneltest.Need(t, "landlock", s.ABI >= atLeast, s.Detail)
	return s.ABI
}

// The masks are those of the kernel's own table of versions in landlock(7).
func TestHandledFS_growsWithTheABI(t *testing.T) {
	want := []uint64{0, 0x1fff, 0x3fff, 0x7fff, 0x7fff, 0xffff, 0xffff, 0xffff}
	for abi, w := range want {
		if got := HandledFS(abi); got != w {
			t.Errorf("HandledFS(%d) = %#x, want %#x", abi, got, w)
		}
	}
}

func TestTables_byABI(t *testing.T) {
	for abi := range MaxABI + 1 {
		net, scope, flags := uint64(0), uint64(0), uint32(0)
		if abi >= 4 {
			net = 3
		}
		if abi >= 6 {
			scope = 3
		}
		if abi >= 7 {
			flags = 2
		}
		if HandledNet(abi) != net || Scopes(abi) != scope || RestrictFlags(abi) != flags {
			t.Errorf("ABI %d: net %#x scopes %#x flags %#x, want %#x %#x %#x",
				abi, HandledNet(abi), Scopes(abi), RestrictFlags(abi), net, scope, flags)
		}
	}
}

func TestRights_areWithinWhatIsHandled(t *testing.T) {
	for abi := range MaxABI + 1 {
		all := HandledFS(abi)
		for name, r := range map[string]uint64{"ReadExec": ReadExec(abi), "ReadWrite": ReadWrite(abi), "Device": Device(abi)} {
			if r&^all != 0 {
				t.Errorf("ABI %d: %s = %#x is more than %#x", abi, name, r, all)
			}
		}
		if ReadWrite(abi)&(MakeChar|MakeBlock|IoctlDev) != 0 {
			t.Errorf("ABI %d: ReadWrite allows devices", abi)
		}
		if ReadExec(abi)&ReadWrite(abi) != ReadExec(abi) {
			t.Errorf("ABI %d: ReadWrite lacks some of ReadExec", abi)
		}
	}
}

func TestRulesetAttr_hasTheKernelsLayout(t *testing.T) {
	a := RulesetAttr{FS: 0x1122334455667788, Net: 3, Scoped: 2}
	for abi, size := range map[int]int{1: 8, 2: 8, 3: 8, 4: 16, 5: 16, 6: 24, 7: 24} {
		b := a.Bytes(abi)
		k := unix.LandlockRulesetAttr{Handled_access_fs: a.FS, Handled_access_net: a.Net, Scoped: a.Scoped}
		want := unsafe.Slice((*byte)(unsafe.Pointer(&k)), size)
		if !bytes.Equal(b, want) {
			t.Errorf("ABI %d: % x, want % x", abi, b, want)
		}
	}
}

func TestPathBeneathAttr_isPacked(t *testing.T) {
	got := PathBeneathAttr{Allowed: 0x0102, ParentFD: -2}.Bytes()
	want := []byte{2, 1, 0, 0, 0, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff}
	if !bytes.Equal(got, want) {
		t.Errorf("% x, want % x", got, want)
	}
}

func TestRulesetAttr_refusesWhatAVersionLacks(t *testing.T) {
	for _, a := range []RulesetAttr{{FS: Refer}, {Net: BindTCP}, {Scoped: ScopeSignal}} {
		if err := a.check(1); fault.KindOf(err) != fault.Unsupported {
			t.Errorf("%+v on ABI 1: %v, want fault.Unsupported", a, err)
		}
	}
}

func TestRuleset_letsDoOnlyWhatARuleAllows(t *testing.T) {
	abi := need(t, 3)
	dir := os.Getenv("LANDLOCK_TEST_DIR")
	if dir == "" {
		dir = t.TempDir()
		t.Setenv("LANDLOCK_TEST_DIR", dir)
		lay(t, dir)
	}

	kerneltest.InChild(t, func() {
		ruleset, err := CreateRuleset(Handled(abi))
		if err != nil {
			t.Fatal(err)
		}
		rule(t, ruleset, filepath.Join(dir, "read"), ReadExec(abi))
		rule(t, ruleset, filepath.Join(dir, "write"), ReadWrite(abi))
		rule(t, ruleset, filepath.Join(dir, "single"), ReadWrite(abi))
		if err := RestrictSelf(ruleset, RestrictFlags(abi)); err != nil {
			t.Fatal(err)
		}

		for _, row := range []struct {
			path  string
			flags int
			want  error
		}{
			{"read/f", unix.O_RDONLY, nil},
			{"read/f", unix.O_WRONLY, unix.EACCES},
			{"read/f", unix.O_RDONLY | unix.O_TRUNC, unix.EACCES},
			{"read/new", unix.O_CREAT | unix.O_WRONLY, unix.EACCES},
			{"write/f", unix.O_RDWR | unix.O_TRUNC, nil},
			{"write/new", unix.O_CREAT | unix.O_WRONLY, nil},
			{"single", unix.O_RDWR, nil},
			{"hidden/f", unix.O_RDONLY, unix.EACCES},
			{"hidden", unix.O_RDONLY | unix.O_DIRECTORY, unix.EACCES},
		} {
			fd, err := unix.Open(filepath.Join(dir, row.path), row.flags, 0o600)
			if !errors.Is(err, row.want) {
				t.Errorf("open %s %#x: %v, want %v", row.path, row.flags, err, row.want)
			}
			if err == nil {
				unix.Close(fd)
			}
		}
		if err := unix.Mknod(filepath.Join(dir, "write/dev"), unix.S_IFCHR, int(unix.Mkdev(1, 3))); err == nil {
			t.Error("made a device in a writable folder")
		}
	})
}

func lay(t *testing.T, dir string) {
	for _, d := range []string{"read", "write", "hidden"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, d, "f"), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "single"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

func rule(t *testing.T, ruleset int, path string, rights uint64) {
	t.Helper()
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := AllowBeneath(ruleset, fd, rights); err != nil {
		t.Fatal(err)
	}
}

func TestScopes_keepSignalsInside(t *testing.T) {
	abi := need(t, 6)
	kerneltest.InChild(t, func() {
		ruleset, err := CreateRuleset(RulesetAttr{Scoped: Scopes(abi)})
		if err != nil {
			t.Fatal(err)
		}
		parent := unix.Getppid()
		if err := unix.Kill(parent, 0); err != nil {
			t.Fatalf("signal the parent before: %v", err)
		}
		if err := RestrictSelf(ruleset, 0); err != nil {
			t.Fatal(err)
		}
		if err := unix.Kill(parent, 0); !errors.Is(err, unix.EPERM) {
			t.Errorf("signal the parent = %v, want EPERM", err)
		}
	})
}

func TestCreateRuleset_failsForMoreThanTheKernelHas(t *testing.T) {
	need(t, 1)
	if _, err := CreateRuleset(RulesetAttr{FS: 1 << 60}); fault.KindOf(err) != fault.Unsupported {
		t.Errorf("CreateRuleset = %v, want fault.Unsupported", err)
	}
}
