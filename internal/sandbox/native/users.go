package native

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/internal/uidlease"
)

// users hands out host users that nothing else on the host uses. A user is
// given to one sandbox at a time; the lease goes back to the host when this
// process ends, however it ends.
type users struct {
	dir  string
	mu   sync.Mutex // guards below
	free []*user
}

// user is a leased host user with the id maps that were made for it.
type user struct {
	uid   int
	lease *uidlease.Lease
	maps  map[mapKey]*os.File // a user namespace that shows the owner's files as the user's

	uses   int      // sandboxes so far
	tree   *os.File // the mount namespace of its template; nil: none yet
	noTree bool     // it could not be built
}

// owner is who owns a granted folder on the host.
type owner struct{ uid, gid int }

func (u *users) take() (*user, error) {
	u.mu.Lock()
	if n := len(u.free); n > 0 {
		last := u.free[n-1]
		u.free = u.free[:n-1]
		last.uses++
		u.mu.Unlock()
		return last, nil
	}
	u.mu.Unlock()
	lease, err := uidlease.Acquire(u.dir)
	if err != nil {
		return nil, fmt.Errorf("lease a user: %w", err)
	}
	return &user{uid: lease.UID(), lease: lease, maps: map[mapKey]*os.File{}, uses: 1}, nil
}

func (u *users) put(usr *user) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.free = append(u.free, usr)
}

// release gives all users back to the host that no plan has.
func (u *users) release() {
	u.mu.Lock()
	free := u.free
	u.free = nil
	u.mu.Unlock()
	for _, usr := range free {
		if usr.tree != nil {
			usr.tree.Close()
		}
		for _, f := range usr.maps {
			f.Close()
		}
		usr.lease.Release()
	}
}

// mapFor returns a user namespace for an id-mapped mount: what o owns on disk
// appears as the user's inside, and what the user writes is o's on disk.
// See mount_setattr(2), ID-mapped mounts.
func (usr *user) mapFor(o owner) (*os.File, error) {
	return usr.mapOnce(mapKey{owner: o}, oneID(o.uid, usr.uid), oneID(o.gid, usr.uid))
}

// mapKey is what a map was made for.
type mapKey struct {
	owner
	layer bool // of an overlay: see layerMapFor
}

// mapOnce returns the map for a key, made at its first use.
func (usr *user) mapOnce(key mapKey, uids, gids []syscall.SysProcIDMap) (*os.File, error) {
	if f, ok := usr.maps[key]; ok {
		return f, nil
	}
	f, err := userNamespace(uids, gids)
	if err != nil {
		return nil, fmt.Errorf("make an id map for owner %d:%d: %w", key.uid, key.gid, err)
	}
	usr.maps[key] = f
	return f, nil
}

// oneID maps one id on disk to one inside.
func oneID(disk, inside int) []syscall.SysProcIDMap {
	return []syscall.SysProcIDMap{{ContainerID: disk, HostID: inside, Size: 1}}
}

// userNamespace makes a user namespace with the given maps and returns its
// descriptor. A namespace needs a process to be born in: a traced child that
// stops at its exec and never runs an instruction of its own.
func userNamespace(uids, gids []syscall.SysProcIDMap) (*os.File, error) {
	runtime.LockOSThread() // a tracer is a thread
	defer runtime.UnlockOSThread()
	cmd := &exec.Cmd{Path: "/proc/self/exe", Args: []string{"bulkhead-idmap"}, SysProcAttr: &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: uids,
		GidMappings: gids,
		Ptrace:      true,
		Pdeathsig:   syscall.SIGKILL,
	}}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	pid := cmd.Process.Pid
	defer func() {
		_ = unix.Kill(pid, unix.SIGKILL)
		_, _ = unix.Wait4(pid, nil, 0, nil)
	}()
	return os.Open(fmt.Sprintf("/proc/%d/ns/user", pid))
}
