package fork

import (
	"runtime"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// op is one system call, as the assembly reads it.
type op struct {
	nr   uintptr
	args [5]uintptr
}

// report is where the child tells which call failed, and why.
type report struct{ index, errno uintptr }

// cloneRun clones a child that makes the calls; see fork_linux_amd64.s.
//
//go:noescape
func cloneRun(flags, stack uintptr, ops *op, n uintptr, r *report) (pid uintptr)

// Start runs c in a new process with a session and a process group of its own
// and returns its pid. The parent goes on when the program runs, or has failed
// to. Start is safe for concurrent use; the caller reaps the child.
func Start(c *Command) (int, error) {
	if err := c.check(); err != nil {
		return 0, err
	}
	p := lay(c)
	flags := uintptr(unix.CLONE_VM | unix.CLONE_VFORK | int(unix.SIGCHLD))
	stack := uintptr(unsafe.Pointer(&p.stack[0])) + uintptr(len(p.stack))&^15

	// The child starts with every signal blocked, so that none can run a Go
	// handler on its small stack; it empties the mask before execve.
	all, old := ^uint64(0), uint64(0)
	syscall.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&all)), uintptr(unsafe.Pointer(&old)), 8, 0, 0)
	r := cloneRun(flags, stack, &p.ops[0], uintptr(len(p.ops)), p.report)
	syscall.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&old)), 0, 8, 0, 0)
	defer runtime.KeepAlive(p)

	if int(r) < 0 {
		return 0, &Error{Fork, syscall.Errno(-int(r))}
	}
	if p.report.errno != 0 {
		reap(int(r))
		return 0, &Error{p.step(p.report.index), syscall.Errno(p.report.errno)}
	}
	return int(r), nil
}

// reap collects a child that told its failure.
func reap(pid int) {
	for {
		if _, err := unix.Wait4(pid, nil, 0, nil); err != unix.EINTR {
			return
		}
	}
}

// program is the calls of one child, laid out on the heap, where nothing moves.
type program struct {
	ops    []op
	steps  []Step
	report *report
	stack  []byte
	keep   []any // what the calls point at
}

// stackSize is for nothing but a signal frame that never comes: the child
// calls no function.
const stackSize = 2048

// lay writes the calls in the order in which the kernel must see them. It is
// never inlined, so that everything it returns is on the heap.
//
//go:noinline
func lay(c *Command) *program {
	p := &program{report: new(report), stack: make([]byte, stackSize), ops: make([]op, 0, 12), steps: make([]Step, 0, 12)}

	p.defaults()
	p.add(Session, unix.SYS_SETSID)
	for i, fd := range c.Stdio {
		if fd >= 0 {
			p.add(Stdio, unix.SYS_DUP3, uintptr(fd), uintptr(i), 0)
		}
	}
	if c.TTY { // after setsid: only a session leader without one may take a terminal
		p.add(Terminal, unix.SYS_IOCTL, 0, unix.TIOCSCTTY, 0)
	}
	if c.Dir != "" {
		p.add(Dir, unix.SYS_CHDIR, p.str(c.Dir))
	}
	p.add(Execve, unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, p.words(0), 0, 8)
	path, argv, envp := p.str(c.Path), p.strs(c.Args), p.strs(c.Env)
	if len(c.Filter) > 0 { // last: it may refuse any of the above
		p.add(Filter, unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
		p.add(Filter, unix.SYS_PRCTL, unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, p.filter(c.Filter), uintptr(c.Key[0]), uintptr(c.Key[1]))
	}
	p.add(Execve, unix.SYS_EXECVE, path, argv, envp)
	return p
}

// noAction is struct sigaction for SIG_DFL.
var noAction [4]uint64

// defaults takes out the parent's signal handlers, and what it ignores: once
// the mask is empty, a signal must end the child and not run a handler in the
// memory that it shares.
func (p *program) defaults() {
	for _, sig := range handled() {
		p.add(Session, unix.SYS_RT_SIGACTION, sig, uintptr(unsafe.Pointer(&noAction)), 0, 8)
	}
}

// handled lists the signals of this process that are not at their default.
// They are asked for once: main changes them, if at all, before it forks.
var handled = sync.OnceValue(func() []uintptr {
	var list []uintptr
	for sig := uintptr(1); sig <= 64; sig++ {
		var old [4]uint64
		_, _, errno := syscall.RawSyscall6(unix.SYS_RT_SIGACTION, sig, 0, uintptr(unsafe.Pointer(&old)), 8, 0, 0)
		if errno == 0 && old[0] != 0 && sig != uintptr(unix.SIGKILL) && sig != uintptr(unix.SIGSTOP) {
			list = append(list, sig)
		}
	}
	return list
})

func (p *program) add(step Step, nr uintptr, args ...uintptr) {
	o := op{nr: nr}
	copy(o.args[:], args)
	p.ops, p.steps = append(p.ops, o), append(p.steps, step)
}

func (p *program) step(i uintptr) Step {
	if i >= uintptr(len(p.steps)) {
		return Execve
	}
	return p.steps[i]
}

// str is the address of a string, ended by a zero byte.
func (p *program) str(s string) uintptr {
	b := append(make([]byte, 0, len(s)+1), s...)
	b = append(b, 0)
	p.keep = append(p.keep, b)
	return uintptr(unsafe.Pointer(&b[0]))
}

// words is the address of an array of words.
func (p *program) words(w ...uintptr) uintptr {
	b := append(make([]uintptr, 0, len(w)), w...)
	p.keep = append(p.keep, b)
	return uintptr(unsafe.Pointer(&b[0]))
}

// strs is the address of an array of strings, ended by a null. All of them
// stand in one block.
func (p *program) strs(list []string) uintptr {
	size := 0
	for _, s := range list {
		size += len(s) + 1
	}
	block := make([]byte, size+1)
	ptrs := make([]uintptr, len(list)+1)
	at := 0
	for i, s := range list {
		ptrs[i] = uintptr(unsafe.Pointer(&block[at]))
		at += copy(block[at:], s) + 1
	}
	p.keep = append(p.keep, block, ptrs)
	return uintptr(unsafe.Pointer(&ptrs[0]))
}

// filter is the address of a struct sock_fprog.
func (p *program) filter(code []byte) uintptr {
	b := append([]byte(nil), code...)
	p.keep = append(p.keep, b)
	return p.words(uintptr(len(b)/8), uintptr(unsafe.Pointer(&b[0])))
}
