// Package reexec is the portable launcher of syscall programs: it starts this
// binary again, and the new process walks the program's table and then
// becomes the command. It costs a Go start per sandbox and is the reference
// that the fast launcher of internal/spawn is compared with.
//
// A program that uses it calls Init first thing in main (and in TestMain).
package reexec

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/spawn"
)

// name is argv[0] of the helper.
const name = "bulkhead-jail"

// The helper's own descriptors; the program's parameters follow.
const (
	fdProgram = 3 + iota
	fdError
	fdParams
)

// Init turns the process into a sandbox's first process if it was started as
// the helper, and then never returns. Otherwise it does nothing.
func Init() {
	if len(os.Args) == 1 && os.Args[0] == name {
		helper()
	}
}

// Launcher starts programs through the helper. The zero Launcher is ready; it
// is safe for concurrent use.
type Launcher struct {
	once sync.Once
	work chan func()
}

// Start is spawn.Launcher's Start, by other means.
func (l *Launcher) Start(p *spawn.Program, fds []int, cgroup int) (pid, pidfd int, err error) {
	l.once.Do(l.run)
	done := make(chan struct{})
	l.work <- func() {
		pid, pidfd, err = start(p, fds, cgroup)
		close(done)
	}
	<-done
	return pid, pidfd, err
}

// run starts the thread that is the parent of every helper; it lives as long
// as the process, because a parent-death signal fires when a thread ends.
func (l *Launcher) run() {
	l.work = make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range l.work {
			f()
		}
	}()
}

func start(p *spawn.Program, fds []int, cgroup int) (int, int, error) {
	table, err := json.Marshal(p)
	if err != nil {
		return 0, -1, fmt.Errorf("encode program: %w", err)
	}
	programR, programW, err := os.Pipe()
	if err != nil {
		return 0, -1, fmt.Errorf("program pipe: %w", err)
	}
	defer programW.Close()
	errorR, errorW, err := os.Pipe()
	if err != nil {
		programR.Close()
		return 0, -1, fmt.Errorf("error pipe: %w", err)
	}
	defer errorR.Close()

	pidfd := -1
	cmd := &exec.Cmd{
		Path:       "/proc/self/exe",
		Args:       []string{name},
		Env:        []string{"GOMAXPROCS=1", "GODEBUG="},
		ExtraFiles: []*os.File{programR, errorW},
		SysProcAttr: &syscall.SysProcAttr{
			Cloneflags: uintptr(p.Flags),
			PidFD:      &pidfd,
		},
	}
	if cgroup >= 0 {
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, cgroup
	}
	if p.IDs != nil {
		mapIDs(cmd.SysProcAttr, p.IDs)
	}
	dups, err := addParams(cmd, fds)
	if err == nil {
		err = cmd.Start()
	}
	for _, f := range append(dups, programR, errorW) {
		f.Close()
	}
	if err != nil {
		return 0, -1, &spawn.StepError{Step: "namespaces", Call: "start helper", Errno: errnoOf(err)}
	}
	if _, err := programW.Write(table); err != nil && !errors.Is(err, syscall.EPIPE) {
		_ = cmd.Process.Kill()
	}
	programW.Close()
	return await(cmd.Process, pidfd, p, errorR)
}

// await blocks until the helper became the command (its error pipe closes
// unwritten) or told which call failed.
func await(proc *os.Process, pidfd int, p *spawn.Program, errorR *os.File) (int, int, error) {
	var msg [8]byte
	if _, err := io.ReadFull(errorR, msg[:]); err == io.EOF {
		return proc.Pid, pidfd, nil
	}
	_, _ = unix.Wait4(proc.Pid, nil, 0, nil)
	unix.Close(pidfd)
	le := binary.LittleEndian
	return 0, -1, p.Failed(int(int32(le.Uint32(msg[:]))), syscall.Errno(le.Uint32(msg[4:])))
}

// mapIDs lets Go write the maps from outside, and keeps the capabilities of
// the new user namespace across the helper's exec.
func mapIDs(attr *syscall.SysProcAttr, ids *spawn.IDMap) {
	attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: ids.InnerUID, HostID: ids.OuterUID, Size: 1}}
	attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: ids.InnerGID, HostID: ids.OuterGID, Size: 1}}
	for c := uintptr(0); c <= unix.CAP_LAST_CAP; c++ {
		attr.AmbientCaps = append(attr.AmbientCaps, c)
	}
}

// addParams hands the descriptors over as copies, so that closing the copies
// later leaves the caller's own open.
func addParams(cmd *exec.Cmd, fds []int) ([]*os.File, error) {
	var dups []*os.File
	for _, fd := range fds {
		d, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return dups, err
		}
		f := os.NewFile(uintptr(d), "param")
		dups = append(dups, f)
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	}
	return dups, nil
}

func errnoOf(err error) syscall.Errno {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return syscall.EIO
}

// helper walks the program on one thread, which ends in execve.
func helper() {
	runtime.LockOSThread()
	unix.CloseOnExec(fdError)
	var p spawn.Program
	if err := json.NewDecoder(os.NewFile(fdProgram, "program")).Decode(&p); err != nil {
		report(-1, syscall.EINVAL)
	}
	report(walk(&p))
}

func report(i int, errno syscall.Errno) {
	var msg [8]byte
	binary.LittleEndian.PutUint32(msg[:], uint32(int32(i)))
	binary.LittleEndian.PutUint32(msg[4:], uint32(errno))
	_, _ = unix.Write(fdError, msg[:])
	os.Exit(126)
}

// machine is the state of a walk.
type machine struct {
	slots [spawn.MaxSlots]uint64
	keep  []any // what the kernel is given addresses of
}

// walk makes the calls in order and returns the one that failed. It does not
// return when execve succeeds.
func walk(p *spawn.Program) (int, syscall.Errno) {
	m := new(machine)
	for s, v := range p.Preset {
		m.slots[s] = v
	}
	for i, s := range p.Params {
		m.slots[s] = uint64(fdParams + i)
	}
	type call struct{ args [6]uintptr }
	calls := make([]call, len(p.Ops))
	for i, op := range p.Ops {
		for j, a := range op.Args {
			calls[i].args[j] = m.word(a)
		}
	}
	for i, op := range p.Ops {
		if op.Clone {
			continue // done by clone: see mapIDs
		}
		a := calls[i].args
		for j, arg := range op.Args {
			if arg.Kind == spawn.ArgSlot {
				a[j] = uintptr(m.slots[arg.Value])
			}
		}
		r, _, errno := syscall.RawSyscall6(op.Call, a[0], a[1], a[2], a[3], a[4], a[5])
		if errno != 0 && !op.May {
			return i, errno
		}
		if errno == 0 && op.Result != 0 {
			m.slots[op.Result] = uint64(r)
		}
	}
	return len(p.Ops) - 1, syscall.ENOSYS
}

func (m *machine) word(a spawn.Arg) uintptr {
	switch a.Kind {
	case spawn.ArgBytes:
		b := append([]byte(nil), a.Bytes...)
		m.keep = append(m.keep, b)
		return uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	case spawn.ArgVector:
		words := make([]uintptr, max(1, len(a.List)))
		for i, e := range a.List {
			words[i] = m.word(e)
		}
		m.keep = append(m.keep, words)
		return uintptr(unsafe.Pointer(&words[0]))
	case spawn.ArgAddr:
		return uintptr(unsafe.Pointer(&m.slots[a.Value]))
	default:
		return uintptr(a.Value)
	}
}
