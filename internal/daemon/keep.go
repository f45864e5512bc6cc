package daemon

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/bulkhead-dev/bulkhead/api/v1/apiv1connect"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/keeper"
	"github.com/bulkhead-dev/bulkhead/internal/own"
	"github.com/bulkhead-dev/bulkhead/internal/server"
)

// The files of the sandbox holder in the user's runtime folder.
const (
	keepSocket = "sandboxes.sock"
	keepLock   = "sandboxes.lock"
)

// keepLinger is how long the sandbox holder stays without a sandbox.
const keepLinger = 5 * time.Second

// ErrNoKeeper means that no process keeps sandboxes: there are none.
var ErrNoKeeper error = fault.New(fault.Unavailable, "no process keeps sandboxes")

// keepFolder is the folder of the sandbox holder's socket: ours, and nobody
// else may enter it.
func keepFolder(getenv func(string) string) (string, error) {
	var problems []error
	for _, dir := range own.SocketFolders(os.Geteuid(), getenv) {
		if len(filepath.Join(dir, keepSocket)) >= maxSocketPath {
			problems = append(problems, fault.Newf(fault.Unavailable, "%s is too long for a socket", dir))
			continue
		}
		err := makePrivate(dir)
		if err == nil {
			return dir, nil
		}
		problems = append(problems, err)
	}
	return "", fault.Newf(fault.Unavailable, "no folder for the socket: %w", errors.Join(problems...)).
		WithHint("set XDG_RUNTIME_DIR to a short folder of your own")
}

// Keep holds the user's named sandboxes: it answers on a socket until there
// has been no sandbox for a while, or ctx ends, and then ends them all. Ready
// is called when it answers. It returns at once when another process keeps
// them.
func Keep(ctx context.Context, getenv func(string) string, ready func() error) error {
	dir, err := keepFolder(getenv)
	if err != nil {
		return err
	}
	lock, err := lockFile(filepath.Join(dir, keepLock))
	if errors.Is(err, errHeld) {
		return ready()
	}
	if err != nil {
		return err
	}
	defer lock.Close() // gives the lock back
	path := filepath.Join(dir, keepSocket)
	l, err := listen(path)
	if err != nil {
		return err
	}

	sandboxes := sandboxes(getenv, own.Options{Stock: 1})
	k := keeper.New(sandboxes)
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	var group errgroup.Group
	group.Go(func() error { return server.NewSandboxes(k).Serve(serving, server.NewListener(l)) })
	if err = ready(); err == nil {
		k.Linger(ctx, keepLinger)
	}
	err = errors.Join(err, k.Close())
	_ = os.Remove(path)
	stop()
	return errors.Join(err, group.Wait(), sandboxes.Close())
}

// lockFile takes a lock that lasts as long as the file is open, or fails at
// once with errHeld.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fault.Newf(fault.Unavailable, "lock: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		return f, nil
	}
	f.Close()
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, errHeld
	}
	return nil, fault.Newf(fault.Unavailable, "lock %s: %w", path, err)
}

// Kept is a connection to the process that keeps the user's sandboxes.
type Kept struct {
	apiv1connect.SandboxesClient
	http *http.Client
}

// Close ends the connection.
func (k *Kept) Close() error {
	k.http.CloseIdleConnections()
	return nil
}

// ConnectKept connects to the process that keeps the user's sandboxes, or
// fails with ErrNoKeeper.
func ConnectKept(ctx context.Context, getenv func(string) string) (*Kept, error) {
	dir, err := keepFolder(getenv)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, keepSocket)
	if err := checkSocket(path); errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoKeeper
	} else if err != nil {
		return nil, err
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}

	// One connection to see that somebody answers.
	c, err := dial(ctx, "", "")
	if errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoKeeper
	}
	if err != nil {
		return nil, fault.Newf(fault.Unavailable, "sandbox holder: %w", err)
	}
	_ = c.Close()
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true) // streams in both directions
	client := &http.Client{Transport: &http.Transport{DialContext: dial, Protocols: protocols}}
	return &Kept{apiv1connect.NewSandboxesClient(client, "http://bulkhead"), client}, nil
}
