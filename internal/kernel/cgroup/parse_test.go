//go:build linux

package cgroup

import (
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const hybrid = `22 1 0:21 / /proc rw,relatime shared:12 - proc proc rw
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 master:3 - cgroup cgroup rw,memory
39 31 0:36 /docker/ab /sys/fs/cgroup/my\040pids rw - cgroup cgroup rw,pids
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate
broken line
42 31 0:39 / /x rw,relatime
`

func TestParseMounts_readsBothVersionsAndSkipsTheRest(t *testing.T) {
	got := parseMounts(hybrid)
	if len(got) != 3 {
		t.Fatalf("%d mounts, want 3: %+v", len(got), got)
	}
	if got[0].version != 1 || !got[0].controllers["memory"] || got[0].point != "/sys/fs/cgroup/memory" {
		t.Errorf("memory: %+v", got[0])
	}
	if got[1].root != "/docker/ab" || got[1].point != "/sys/fs/cgroup/my pids" {
		t.Errorf("pids: %+v", got[1])
	}
	if got[2].version != 2 {
		t.Errorf("unified: %+v", got[2])
	}
}

func TestParseOwn_readsBothVersions(t *testing.T) {
	got := parseOwn("4:memory:/a/b\n2:cpu,cpuacct:/c:d\n1:name=systemd:/\n0::/user.slice/x\nrubbish\n")
	want := map[string]string{"memory": "/a/b", "cpu": "/c:d", "cpuacct": "/c:d", "name=systemd": "/"}
	if !maps.Equal(got.v1, want) || got.v2 != "/user.slice/x" {
		t.Errorf("%+v", got)
	}
}

func TestMount_locatesAGroupOnlyInsideWhatItShows(t *testing.T) {
	rows := []struct {
		name, root, group, want string
		ok                      bool
	}{
		{"the whole hierarchy", "/", "/a/b", "/m/a/b", true},
		{"the top", "/", "/", "/m", true},
		{"a container's part", "/docker/x", "/docker/x/y", "/m/y", true},
		{"a neighbour", "/docker/x", "/docker/y", "", false},
		{"a neighbour with the same beginning", "/docker/x", "/docker/xy", "", false},
		{"above a cgroup namespace", "/", "/../a", "/m/a", true},
		{"no group", "/", "", "", false},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			got, ok := mount{root: row.root, point: "/m"}.locate(row.group)
			if got != row.want || ok != row.ok {
				t.Errorf("locate = %q, %v, want %q, %v", got, ok, row.want, row.ok)
			}
		})
	}
}

// folder is a made-up group of version 2.
type folder struct {
	path, controllers, handsDown, procs string
	realRoot                            bool
}

// layTree makes folders that look like a version 2 hierarchy to a reader.
func layTree(t *testing.T, folders []folder) string {
	t.Helper()
	top := t.TempDir()
	for _, f := range folders {
		dir := filepath.Join(top, f.path)
		files := map[string]string{
			"cgroup.controllers": f.controllers, "cgroup.subtree_control": f.handsDown,
			"cgroup.procs": f.procs, "cgroup.type": "domain",
		}
		if f.realRoot {
			delete(files, "cgroup.type")
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	return top
}

func TestTree_choosesTheBase(t *testing.T) {
	me := strconv.Itoa(os.Getpid())
	rows := []struct {
		name    string
		folders []folder
		own     string
		base    string // relative; "none": nowhere
		move    bool
	}{
		{"the real root", []folder{{path: ".", realRoot: true, controllers: "memory pids cpu"}}, "/", ".", false},
		{
			"root's session, the parent hands down",
			[]folder{
				{path: ".", realRoot: true, controllers: "memory pids cpu", handsDown: "memory pids"},
				{path: "user.slice", controllers: "memory pids", handsDown: "memory pids"},
				{path: "user.slice/session.scope", controllers: "memory pids", procs: me + "\n1\n"},
			},
			"/user.slice/session.scope", "user.slice", false,
		},
		{
			"first process of a container",
			[]folder{{path: ".", controllers: "memory pids cpu", procs: me + "\n"}},
			"/", ".", true,
		},
		{
			"one of several in a container",
			[]folder{{path: ".", controllers: "memory pids cpu", procs: me + "\n1\n"}},
			"/", "none", false,
		},
		{
			"already moved into a leaf",
			[]folder{
				{path: ".", controllers: "memory pids cpu", handsDown: "memory pids"},
				{path: "bulkhead-host", controllers: "memory pids", procs: me + "\n"},
			},
			"/bulkhead-host", ".", false,
		},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			top := layTree(t, row.folders)
			h := detect([]mount{{version: 2, root: "/", point: top}}, membership{v2: row.own}, wanted)
			memory := h.Controllers()[0]
			if row.base == "none" {
				if memory.Usable || memory.Why == "" {
					t.Errorf("memory = %+v, want it unusable, with a reason", memory)
				}
				return
			}
			if want := filepath.Join(top, row.base, parent); memory.Dir != want || h.v2.move != row.move {
				t.Errorf("memory = %+v, move %v, want %s, %v", memory, h.v2.move, want, row.move)
			}
		})
	}
}

func TestDetect_saysWhyNothingIsUsable(t *testing.T) {
	rows := []struct {
		name   string
		mounts []mount
		own    membership
		want   string
	}{
		{"no cgroups", nil, membership{}, "no cgroup hierarchy"},
		{
			"a mount that shows another part",
			[]mount{{version: 1, root: "/docker/x", point: "/m", controllers: set([]string{"memory"})}},
			membership{v1: map[string]string{"memory": "/"}},
			"outside the mount",
		},
		{
			"a folder that is not there",
			[]mount{{version: 1, root: "/", point: "/nowhere", controllers: set([]string{"memory"})}},
			membership{v1: map[string]string{"memory": "/"}},
			"no such file",
		},
		{
			"version 2 without controllers",
			[]mount{{version: 2, root: "/", point: "/nowhere"}},
			membership{v2: "/"},
			"not handed down",
		},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			c := detect(row.mounts, row.own, wanted).Controllers()[0]
			if c.Usable || c.Dir != "" || !strings.Contains(c.Why, row.want) {
				t.Errorf("memory = %+v, want a reason with %q", c, row.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add(hybrid, "4:memory:/a/b\n0::/x\n")
	f.Fuzz(func(t *testing.T, mountinfo, own string) {
		for _, c := range detect(parseMounts(mountinfo), parseOwn(own), wanted).Controllers() {
			if c.Usable != (c.Why == "") {
				t.Errorf("%+v", c)
			}
		}
	})
}
