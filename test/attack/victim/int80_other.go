//go:build linux && !amd64

package victim

// int80 is an entry that this architecture does not have.
func int80([]string) any { return counted("int 0x80", 0, nil) }
