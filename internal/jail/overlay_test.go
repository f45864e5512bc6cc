package jail

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead-dev/bulkhead/internal/spawn"
)

// project is a spec with an overlay above the work folder and one above a
// grant, and with protected paths in a folder that is shown directly.
func project() *Spec {
	s := sample()
	s.Overlays = []Overlay{
		{Target: "/work", Upper: "/state/layers/2", Lower: []string{"/state/layers/1/fs", "/srv/project"}, Mapped: 1},
		{Target: "/srv/data", Upper: "/state/layers/3", Lower: []string{"/srv/data"}, Mapped: 1},
	}
	s.Binds = append(s.Binds,
		Bind{Source: "/srv/data/in", Target: "/srv/data/in", Folder: true, Mapped: 1},
		Bind{Source: "/srv/direct", Target: "/srv/direct", Folder: true, Write: true, Mapped: 1})
	s.Pins = []Pin{{Path: "/srv/direct/.git", Write: true}, {Path: "/srv/direct/.git/hooks"}}
	return s
}

func TestProgram_ofAnOverlayIsTheOneThatWasReviewed(t *testing.T) {
	rootless := project()
	rootless.UserNS = &spawn.IDMap{InnerUID: 1000, OuterUID: 1001, InnerGID: 1000, OuterGID: 1001}
	rootless.Joined = false
	for i := range rootless.Overlays {
		rootless.Overlays[i].User, rootless.Overlays[i].Mapped = true, 0
	}
	for name, spec := range map[string]*Spec{"overlay": project(), "overlay-rootless": rootless} {
		t.Run(name, func(t *testing.T) {
			got := print(t, spec.Program(1))
			file := "testdata/" + name + ".golden"
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("the program changed (run with -update after a review):\n%s", diff)
			}
		})
	}
}

// overlayOrder is what must come before what with overlays and pins.
var overlayOrder = [][2]string{
	{`"/state/layers/2"`, `mount("tmpfs", "/tmp"`},                     // a layer may lie where the new tree is built
	{`".bulkhead/layers/0/0"`, `mount("overlay", "work"`},              // the layers stand before they are laid over each other
	{`mount("overlay", "srv/data"`, `AT_FDCWD, "srv/data/in", MOVE_M`}, // a grant beneath an overlay is attached to it
	{`mount("overlay", "work"`, `umount2(".bulkhead/layers"`},          // an overlay keeps its layers, nobody else does
	{`umount2(".bulkhead/layers"`, "pivot_root("},                      //
	{`openat2(AT_FDCWD, "srv/direct/.git",`, `openat2(AT_FDCWD, "srv/direct/.git/hooks",`},
	{`"srv/direct/.git/hooks"`, "pivot_root("},
}

func TestProgram_ofAnOverlayKeepsTheOrderThatTheKernelNeeds(t *testing.T) {
	text := print(t, project().Program(1))
	for _, o := range overlayOrder {
		first, second := strings.Index(text, o[0]), strings.Index(text, o[1])
		if first < 0 || second < 0 || first > second {
			t.Errorf("%q at %d must come before %q at %d", o[0], first, o[1], second)
		}
	}
}

func TestProgram_neverMountsALowerLayerWritable(t *testing.T) {
	for line := range strings.Lines(print(t, project().Program(1))) {
		if strings.Contains(line, "mount_setattr") && strings.Contains(line, "/state/layers/1") && !strings.Contains(line, "RDONLY") {
			t.Errorf("a lower layer is writable: %s", line)
		}
	}
	for _, o := range project().Overlays {
		for i, l := range o.layerBinds() {
			if l.Write != (i == 0) {
				t.Errorf("layer %d of %s: writable is %v", i, o.Target, l.Write)
			}
		}
	}
}

func TestProgram_hasRoomForManyPins(t *testing.T) {
	spec := sample()
	before := spec.Program(1).Free()
	for range 256 {
		spec.Pins = append(spec.Pins, Pin{Path: "/a"})
	}
	if used := before - spec.Program(1).Free(); used > 1 {
		t.Errorf("256 pins take %d slots, want one", used)
	}
}

func TestProgram_dropsThePinsForTests(t *testing.T) {
	spec := project()
	spec.Drop = []string{StepProtect}
	if text := print(t, spec.Program(1)); strings.Contains(text, "# "+StepProtect) {
		t.Error("the pins are still there")
	}
}
