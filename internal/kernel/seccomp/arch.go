//go:build linux

package seccomp

import (
	"runtime"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// Arch is an architecture: how the kernel marks its calls, and their numbers.
type Arch struct {
	Name    string            // as in GOARCH
	Audit   uint32            // AUDIT_ARCH_*: what seccomp_data.arch says
	X32     bool              // numbers with bit 30 are another ABI's, and are killed
	Numbers map[string]uint32 // by the kernel's name
}

// The architectures that Bulkhead has tables for.
var (
	AMD64 = Arch{Name: "amd64", Audit: unix.AUDIT_ARCH_X86_64, X32: true, Numbers: amd64Numbers}
	ARM64 = Arch{Name: "arm64", Audit: unix.AUDIT_ARCH_AARCH64, Numbers: arm64Numbers}
)

// Native is the architecture of this process, or fault.Unsupported.
func Native() (Arch, error) {
	for _, a := range []Arch{AMD64, ARM64} {
		if a.Name == runtime.GOARCH {
			return a, nil
		}
	}
	return Arch{}, fault.Newf(fault.Unsupported, "seccomp has no table for %s", runtime.GOARCH)
}

// CallName is the name of a number, and whether it has one.
func (a Arch) CallName(nr uint32) (string, bool) {
	name, ok := callNames()[a.Name][nr]
	return name, ok
}

// callNames turns the tables around, once.
var callNames = sync.OnceValue(func() map[string]map[uint32]string {
	all := map[string]map[uint32]string{}
	for _, a := range []Arch{AMD64, ARM64} {
		names := make(map[uint32]string, len(a.Numbers))
		for name, nr := range a.Numbers {
			names[nr] = name
		}
		all[a.Name] = names
	}
	return all
})

// known says whether any architecture has a call of the name.
func known(call string) bool {
	_, x := amd64Numbers[call]
	_, arm := arm64Numbers[call]
	return x || arm
}
