//go:build !amd64

package native

const defaultLauncher = "reexec"
