//go:build linux

package attack

import (
	"encoding/binary"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// only is a row for a call that nothing but the filter stops.
func only(id, attack string, try func(*cell) verdict, n need) row {
	return row{id: id, attack: attack, success: "the kernel does it", walls: []string{filter}, try: try, need: n}
}

// privileged is a row for a call that needs a capability of the host. It is
// made so that it cannot work; what the kernel answers shows that it came to it.
func privileged(id, attack string, c call, answers ...unix.Errno) row {
	return row{
		id: id, attack: attack, success: "the kernel looks at the arguments",
		walls: []string{filter}, root: []string{userID, caps},
		only: "root", why: "no ordinary user may do it",
		try: reaches(c, answers...),
	}
}

const invalid = ^uintptr(0) >> 1 // an address that no process has

func callRows() []row {
	return []row{
		only("K05", "set up io_uring, whose operations pass no filter", all(sys(unix.SYS_IO_URING_SETUP, 8, buf(120))), answersToRing),
		{
			id: "K06", attack: "make a call by the 32-bit entry", success: "the kernel answers it",
			walls: []string{filter}, need: need{"32-bit calls", func() bool { return runtime.GOARCH == "amd64" && emulates32() }},
			try: func(c *cell) verdict {
				c.attack("int80")
				return verdict{c.result.Signal == 0 && c.count() > 0, string(c.result.Stdout)}
			},
		},
		{
			id: "K06", attack: "make a call by the x32 numbers", success: "the kernel looks for it",
			walls: []string{filter}, need: need{"x32 numbers", func() bool { return runtime.GOARCH == "amd64" }},
			try: reaches(sys(0x40000000|unix.SYS_GETPID), 0, unix.ENOSYS),
		},
		only("K09", "make a user namespace by clone", func(c *cell) verdict {
			return told2(c.inside(unix.CLONE_NEWUSER, sys(unix.SYS_GETPID)), 1)
		}, need{}),
		only("K09", "make a namespace by clone3, which no filter can look into", reaches(sys(unix.SYS_CLONE3, 0, 0), unix.EINVAL), need{}),
		only("K09", "make a user namespace by unshare (the kernel refuses processes with threads)", reaches(sys(unix.SYS_UNSHARE, unix.CLONE_NEWUSER), 0, unix.EINVAL), need{}),
		only("K09", "join a namespace by setns", func(c *cell) verdict {
			as := c.calls(open("/proc/self/ns/user", unix.O_RDONLY), sys(unix.SYS_SETNS, ref(0), 0))
			return told(as, len(as) == 2 && as[1].Errno == unix.EINVAL) // it is in it already
		}, need{}),
		only("K10", "handle one's own page faults (userfaultfd)", all(sys(unix.SYS_USERFAULTFD, 1)), answersTo("userfaultfd", unix.SYS_USERFAULTFD, 1)),
		only("K10", "watch the processor's counters (perf_event_open)", reaches(sys(unix.SYS_PERF_EVENT_OPEN, dump(128), 0, -1, -1, 1<<20), unix.EINVAL), need{}),
		only("K10", "use the kernel's keyrings (keyctl)", all(sys(unix.SYS_KEYCTL, 0, -3, 1)), answersTo("keyctl", unix.SYS_KEYCTL, 0, ^uintptr(2), 1)),
		only("K10", "leave a key in a keyring (add_key)", all(sys(unix.SYS_ADD_KEY, "user", "bulkhead-attack", "x", 1, -1)), answersTo("keyctl", unix.SYS_KEYCTL, 0, ^uintptr(2), 1)),
		only("K10", "watch the file system (fanotify)", all(sys(unix.SYS_FANOTIFY_INIT, 0x200, 0)), answersTo("fanotify", unix.SYS_FANOTIFY_INIT, 0x200, 0)),
		only("K10", "change the segment table (modify_ldt)", reaches(sys(modifyLDT, 0, buf(16), 16), 0), need{"modify_ldt", func() bool { return modifyLDT > 0 }}),
		only("K11", "install a filter with a listener", reaches(sys(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, 0), unix.EFAULT), need{}),
		only("K13", "type into the controlling terminal (TIOCSTI)", typing(unix.TIOCSTI), setting("TIOCSTI", "dev/tty/legacy_tiocsti", "1")),
		only("K13", "the same with the upper half of the request set", typing(unix.TIOCSTI|1<<32), setting("TIOCSTI", "dev/tty/legacy_tiocsti", "1")),
		only("K14", "paste into a console (TIOCLINUX)", reaches(sys(unix.SYS_IOCTL, 1, 0x541c, 0), unix.ENOTTY), need{}),
		only("K14", "change the line discipline (TIOCSETD)", reaches(sys(unix.SYS_IOCTL, 1, unix.TIOCSETD, 0), unix.ENOTTY), need{}),
		only("K15", "switch address randomisation off (personality)", all(sys(unix.SYS_PERSONALITY, 0x0040000)), need{}),
		only("K15", "take mitigations off (PR_SET_SPECULATION_CTRL)", reaches(sys(unix.SYS_PRCTL, unix.PR_SET_SPECULATION_CTRL, 99, 0, 0, 0), unix.ENODEV, unix.EINVAL), need{}),
		privileged("K10", "list the programs in the kernel (bpf)", sys(unix.SYS_BPF, 11, buf(64), 64), 0, unix.ENOENT),
		privileged("K10", "load a module", sys(unix.SYS_FINIT_MODULE, -1, "", 0), unix.EBADF).where(offered("modules", unix.SYS_FINIT_MODULE, invalid)),
		privileged("K10", "load another kernel (kexec)", sys(unix.SYS_KEXEC_LOAD, 0, 1, invalid, 0xffff), unix.EINVAL, unix.EFAULT).where(offered("kexec", unix.SYS_KEXEC_LOAD, 0, 1, invalid, 0xffff)),
		privileged("K10", "reboot", sys(unix.SYS_REBOOT, 0, 0, 0, 0), unix.EINVAL),
		privileged("K10", "swap to a file", sys(unix.SYS_SWAPON, 0, 0), unix.EFAULT),
		privileged("K10", "write process accounting to a file", sys(unix.SYS_ACCT, invalid), unix.EFAULT),
		privileged("K10", "set the clock (to nothing)", sys(unix.SYS_SETTIMEOFDAY, 0, 0), 0),
		privileged("K10", "read the kernel's log", sys(unix.SYS_SYSLOG, 9, 0, 0), 0),
		{
			id: "K16", attack: "open the kernel's settings for writing (core_pattern and others)", success: "open answers a descriptor",
			root: []string{tree, userID}, only: "root", why: "no ordinary user may open them",
			try: anyOf(
				open("/proc/sys/kernel/core_pattern", unix.O_WRONLY),
				open("/proc/sys/kernel/modprobe", unix.O_WRONLY),
				open("/proc/sys/vm/drop_caches", unix.O_WRONLY),
			),
		},
		{
			id: "K16", attack: "open sysrq-trigger for writing", success: "it is the kernel's, not /dev/null",
			root: []string{tree, userID}, only: "root", why: "no ordinary user may open it",
			need: exists("/proc/sysrq-trigger"),
			try: func(c *cell) verdict {
				as := c.calls(open("/proc/sysrq-trigger", unix.O_WRONLY), sys(unix.SYS_FSTAT, ref(0), dump(144)))
				return told(as, worked(as, 2) && modeOf(as[1].Data)&unix.S_IFMT == unix.S_IFREG)
			},
		},
		{
			id: "K16", attack: "open the interrupts' processors for writing", success: "open answers a descriptor",
			root: []string{userID}, only: "root", why: "no ordinary user may open it",
			need: exists("/proc/irq/default_smp_affinity"),
			try:  all(open("/proc/irq/default_smp_affinity", unix.O_WRONLY)),
		},
		{
			id: "K19", attack: "leave the sandbox's cgroup", success: "the write to the root group's tasks works",
			root: []string{tree, landlock, userID}, only: "root", why: "an ordinary user's sandbox is in no cgroup of its own",
			need: exists("/sys/fs/cgroup/pids/tasks"),
			try:  all(open("/sys/fs/cgroup/pids/tasks", unix.O_WRONLY), sys(unix.SYS_WRITE, ref(0), "0", 1)),
		},
		{
			id: "B12", attack: "raise one's own limits", success: "prlimit answers 0",
			root: []string{userID, caps}, only: "root", why: "an ordinary user may not without a sandbox either",
			need: need{"the capability to raise limits", mayRaise},
			try:  all(sys(unix.SYS_PRLIMIT64, 0, unix.RLIMIT_NOFILE, rlimit(1<<16), 0)),
		},
	}
}

// where is the row on hosts that have something.
func (r row) where(n need) row {
	r.need = n
	return r
}

// mayRaise says whether the suite itself could raise its limits.
func mayRaise() bool {
	var was unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &was) != nil {
		return false
	}
	more := unix.Rlimit{Cur: was.Cur, Max: was.Max + 1}
	return unix.Prlimit(0, unix.RLIMIT_NOFILE, &more, nil) == nil && unix.Prlimit(0, unix.RLIMIT_NOFILE, &was, nil) == nil
}

// answersToRing is io_uring where the host has not switched it off.
var answersToRing = need{"io_uring", func() bool {
	b, err := os.ReadFile("/proc/sys/kernel/io_uring_disabled")
	return err != nil || string(b) == "0\n"
}}

// emulates32 says whether the kernel runs 32-bit programs.
func emulates32() bool {
	_, err := os.Stat("/proc/sys/abi/vsyscall32")
	return err == nil
}

func rlimit(n uint64) bytes {
	return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, n), n)
}

// typing makes a new terminal the victim's own and types into it.
func typing(request uint64) func(*cell) verdict {
	return all(
		sys(unix.SYS_SETSID),
		open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY),
		sys(unix.SYS_IOCTL, ref(1), unix.TIOCSPTLCK, bytes{0, 0, 0, 0}),
		sys(unix.SYS_IOCTL, ref(1), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY),
		sys(unix.SYS_IOCTL, ref(3), unix.TIOCSCTTY, 0),
		sys(unix.SYS_IOCTL, ref(3), request, "x"),
	)
}
