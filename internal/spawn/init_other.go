//go:build linux && !amd64 && !arm64

package spawn

import "github.com/bulkhead-dev/bulkhead/internal/fault"

// InitELF answers fault.Unsupported on this architecture.
func InitELF() ([]byte, error) {
	return nil, fault.New(fault.Unsupported, "the sandbox's first process has not been ported to this architecture")
}
