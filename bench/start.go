package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
)

// benchStart compares ways to start /bin/true and to wait for its end.
func benchStart(w io.Writer, o options) error {
	variants := []variant{{"fork and exec, bare", command("/bin/true")}}
	variants = append(variants, inLibrary(o)...)
	variants = append(variants,
		variant{"bulkhead exec, the CLI", command(o.cli, "exec", "--", "/bin/true")},
		variant{"unshare, same namespaces", command(unshareArgs()...)},
		variant{"bwrap, same namespaces, like root", command(bwrapArgs()...)},
	)
	for _, v := range variants {
		if err := v.do(); err != nil {
			return fmt.Errorf("%s: %w", v.name, err)
		}
	}
	rows, err := interleave(max(o.n, 200), variants)
	if err != nil {
		return err
	}
	table(w, rows)
	return nil
}

// command runs a program to its end, with nothing on its streams.
func command(args ...string) func() error {
	return func() error {
		cmd := exec.Command(args[0], args[1:]...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}
}

// unshareArgs is /bin/true in the namespaces of a native sandbox, without
// anything else of one.
func unshareArgs() []string {
	args := []string{"unshare", "--fork", "--pid", "--mount", "--net", "--ipc", "--uts", "--mount-proc"}
	if os.Geteuid() != 0 {
		args = append(args, "--user", "--map-current-user")
	}
	return append(args, "--", "/bin/true")
}

// bwrapArgs is /bin/true in the same namespaces and a root of the same shape:
// the system's programs read-only, a scratch /tmp, its own /proc and /dev.
func bwrapArgs() []string {
	args := []string{"bwrap", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--ro-bind", "/usr", "/usr"}
	for _, dir := range []string{"/bin", "/sbin", "/lib", "/lib64"} {
		if target, err := os.Readlink(dir); err == nil {
			args = append(args, "--symlink", target, dir)
		} else if _, err := os.Stat(dir); err == nil {
			args = append(args, "--ro-bind", dir, dir)
		}
	}
	for _, file := range []string{"/etc/ld.so.cache", "/etc/localtime", "/etc/alternatives"} {
		args = append(args, "--ro-bind-try", file, file)
	}
	if os.Geteuid() != 0 {
		args = slices.Insert(args, 1, "--unshare-user")
	}
	return append(args, "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/home",
		"--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv", "--", "/bin/true")
}
