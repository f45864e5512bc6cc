//go:build linux && !amd64

package attack

// older are the calls that take a mode and that newer architectures lack.
func older(func(string) string, uint32) []call { return nil }
