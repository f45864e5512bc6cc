//go:build linux && (amd64 || arm64)

package spawn

import (
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

func TestInitELF_runsACommandAndTellsItsStatus(t *testing.T) {
	for _, tt := range []struct {
		name string
		argv []string
		want [2]uint32 // kind, value
	}{
		{"exit 0", []string{"/bin/true", "true"}, [2]uint32{0, 0}},
		{"exit 3", []string{"/bin/sh", "sh", "-c", "exit 3"}, [2]uint32{0, 3 << 8}},
		{"killed", []string{"/bin/sh", "sh", "-c", "kill -9 $$"}, [2]uint32{0, 9}},
		{"not there", []string{"/nonexistent", "x"}, [2]uint32{1, uint32(syscall.ENOENT)}},
		{"not executable", []string{"/etc/passwd", "x"}, [2]uint32{1, uint32(syscall.EACCES)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			elf, err := InitELF()
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "init")
			if err := os.WriteFile(path, elf, 0o755); err != nil {
				t.Fatal(err)
			}
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(path)
			cmd.Args = tt.argv
			cmd.ExtraFiles = []*os.File{w}
			_ = cmd.Run()
			w.Close()
			var got [8]byte
			if _, err := r.Read(got[:]); err != nil {
				t.Fatalf("read status: %v", err)
			}
			kind, value := binary.LittleEndian.Uint32(got[:]), binary.LittleEndian.Uint32(got[4:])
			if kind != tt.want[0] || value != tt.want[1] {
				t.Errorf("status = {%d, %d}, want %v", kind, value, tt.want)
			}
		})
	}
}

// The order to die with the parent comes too late when it is dead already.
func TestInitELF_runsNothingWhenNobodyReadsItsStatus(t *testing.T) {
	elf, err := InitELF()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path, ran := filepath.Join(dir, "init"), filepath.Join(dir, "ran")
	if err := os.WriteFile(path, elf, 0o755); err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	defer w.Close()
	cmd := exec.Command(path)
	cmd.Args = []string{"/bin/sh", "sh", "-c", ": > " + ran}
	cmd.ExtraFiles = []*os.File{w}
	if err := cmd.Run(); err != nil {
		t.Errorf("init: %v", err)
	}
	if _, err := os.Stat(ran); err == nil {
		t.Error("the command ran")
	}
}
