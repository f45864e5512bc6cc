package native

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// netStock makes network namespaces ahead of their use: a fresh one costs the
// kernel half a millisecond and more, which need not be on the way of a start.
// Each is given to one sandbox and never again.
type netStock struct {
	keep   int // how many to keep ready; 0: only what was ordered
	once   sync.Once
	orders chan struct{}
	ready  chan made
	spare  atomic.Int64 // ordered for plans that never started
}

// made is a namespace, or why there is none.
type made struct {
	file *os.File
	err  error
}

// stockMax bounds the orders that may be open at once.
const stockMax = 1024

// order asks for one more namespace. It does not wait.
func (s *netStock) order() {
	s.once.Do(func() {
		s.orders, s.ready = make(chan struct{}, stockMax), make(chan made, stockMax)
		go s.work()
		for range s.keep {
			s.orders <- struct{}{}
		}
	})
	if s.useSpare() {
		return
	}
	select {
	case s.orders <- struct{}{}:
	default: // enough on order
	}
}

// release gives an order back that nobody will take: the next order gets it.
// Plans that fail would fill the stock otherwise.
func (s *netStock) release() { s.spare.Add(1) }

// useSpare takes a spare order, if there is one.
func (s *netStock) useSpare() bool {
	for {
		n := s.spare.Load()
		if n <= 0 {
			return false
		}
		if s.spare.CompareAndSwap(n, n-1) {
			return true
		}
	}
}

// take returns a namespace that nobody has used. The caller closes it.
func (s *netStock) take() (*os.File, error) {
	select {
	case m := <-s.ready:
		return m.file, m.err
	default:
	}
	s.order()
	m := <-s.ready
	return m.file, m.err
}

// work makes what is ordered, on a thread that is never used for anything
// else: unshare(2) moves the thread itself into each new namespace.
func (s *netStock) work() {
	runtime.LockOSThread()
	for range s.orders {
		file, err := newNetwork()
		s.ready <- made{file, err}
	}
}

// newNetwork moves the calling thread into a new network namespace, brings its
// loopback up, and returns the namespace's descriptor.
func newNetwork() (*os.File, error) {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return nil, fmt.Errorf("new network namespace: %w", err)
	}
	if err := loopbackUp(); err != nil {
		return nil, fmt.Errorf("loopback up: %w", err)
	}
	return os.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()))
}

// loopbackUp sets the flags of lo in the calling thread's namespace: netdevice(7).
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	req.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, req)
}
