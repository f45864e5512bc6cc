//go:build linux

package seccomp

import (
	"testing"

	"golang.org/x/sys/unix"
)

func TestKeyed_letsOnlyTheKeyLoadAFilter(t *testing.T) {
	key := Key{0x0123456789abcdef, 0xfedcba9876543210}
	arch, err := Native()
	if err != nil {
		t.Fatal(err)
	}
	prog, err := Default().Keyed().Compile(arch)
	if err != nil {
		t.Fatal(err)
	}
	mine := WithKey(prog, key)
	load := [6]uint64{unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, 1, key[0], key[1]}
	change := func(arg int, v uint64) [6]uint64 { a := load; a[arg] = v; return a }
	for _, row := range []struct {
		name string
		args [6]uint64
		want Action
	}{
		{"with the key", load, Allow},
		{"without a key", change(3, 0), Errno(unix.EPERM)},
		{"with half of it", change(4, 0), Errno(unix.EPERM)},
		{"with the low words", change(3, key[0]&low32), Errno(unix.EPERM)},
		{"with one bit changed", change(4, key[1]^1<<63), Errno(unix.EPERM)},
		{"with the stand-in", [6]uint64{unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, 1, slot[0], slot[1]}, Errno(unix.EPERM)},
		{"in the old strict mode", change(1, unix.SECCOMP_MODE_STRICT), Errno(unix.EPERM)},
		{"as another option", change(0, unix.PR_SET_PDEATHSIG), Errno(unix.EPERM)},
	} {
		ret, _, err := simulate(mine, seccompData(arch.Audit, unix.SYS_PRCTL, row.args))
		if err != nil || Action(ret) != row.want {
			t.Errorf("loading a filter %s: %v, %v, want %v", row.name, Action(ret), err, row.want)
		}
	}
}
