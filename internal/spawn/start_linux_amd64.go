package spawn

import (
	"runtime"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// cloneArgs is struct clone_args of clone3(2), Linux 5.7.
type cloneArgs struct {
	flags, pidfd     uint64
	_                [2]uint64 // child_tid, parent_tid
	exitSignal       uint64
	stack, stackSize uint64
	_                [3]uint64 // tls, set_tid, set_tid_size
	cgroup           uint64
}

// cloneRun clones a child that walks the table; see clone_linux_amd64.s.
//
//go:noescape
func cloneRun(args *cloneArgs, size uintptr, ops *rawOp, slots *uint64, n uintptr) (pid uintptr)

// Launcher starts programs with the assembly loop. The zero Launcher is
// ready; it is safe for concurrent use.
type Launcher struct {
	once sync.Once
	work chan func()
}

// Start runs p in a new process and returns its pid and pidfd. fds are the
// values of p.Params, in order; they are open in this process and stay so.
// cgroup is a cgroup v2 directory that the child is born in; -1: none.
//
// A *StepError names the call that failed; then no process is left.
func (l *Launcher) Start(p *Program, fds []int, cgroup int) (pid, pidfd int, err error) {
	im, err := newImage(p)
	if err != nil {
		return 0, -1, err
	}
	defer im.free()
	done := make(chan struct{})
	l.once.Do(l.run)
	l.work <- func() {
		pid, pidfd, err = im.start(p, fds, cgroup)
		close(done)
	}
	<-done
	return pid, pidfd, err
}

// run starts the thread that is the parent of every sandbox. It lives as long
// as the process: PR_SET_PDEATHSIG fires when the *thread* that cloned ends.
func (l *Launcher) run() {
	l.work = make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range l.work {
			f()
		}
	}()
}

func (im *image) start(p *Program, fds []int, cgroup int) (int, int, error) {
	im.reset(p, fds)
	pidfd := &im.slots[slotPidfd] // written by the kernel before the child runs
	args := &cloneArgs{
		// CLONE_VFORK always: a child that shares our memory must never
		// outlive the call, or an out-of-memory kill would take us along.
		flags:      p.Flags | unix.CLONE_VM | unix.CLONE_VFORK | unix.CLONE_PIDFD | unix.CLONE_CLEAR_SIGHAND,
		pidfd:      uint64(uintptr(unsafe.Pointer(pidfd))),
		exitSignal: uint64(unix.SIGCHLD),
		stack:      uint64(uintptr(unsafe.Pointer(&im.arena[0]))) + 4096,
		stackSize:  stackTop - 4096,
	}
	if cgroup >= 0 {
		args.flags |= unix.CLONE_INTO_CGROUP
		args.cgroup = uint64(cgroup)
	}

	// The child starts with every signal blocked, so that none can run a Go
	// handler on its small stack; the program empties the mask before execve.
	all, old := ^uint64(0), uint64(0)
	syscall.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&all)), uintptr(unsafe.Pointer(&old)), 8, 0, 0)
	r := cloneRun(args, unsafe.Sizeof(*args), &im.ops[0], &im.slots[0], uintptr(len(p.Ops)))
	syscall.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&old)), 0, 8, 0, 0)

	if int(r) < 0 {
		return 0, -1, &StepError{Step: "namespaces", Call: "clone3(" + cloneNames(p.Flags) + ")", Errno: syscall.Errno(-int(r))}
	}
	fd := int(int32(*pidfd))
	if errno := im.slots[slotErrno]; errno != 0 {
		unix.Close(fd)
		_, _ = unix.Wait4(int(r), nil, 0, nil)
		return 0, -1, p.Failed(int(im.slots[slotIndex]), syscall.Errno(errno))
	}
	return int(r), fd, nil
}
