// Package keeper keeps live sandboxes by name, for as long as its process
// lives: create, find, list, remove, and a log of what each has run.
package keeper

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"maps"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox/live"
	"github.com/bulkhead-dev/bulkhead/internal/service"
)

// Opener boots sandboxes: service.Sandboxes.
type Opener interface {
	Open(ctx context.Context, o service.Opening) (*live.Sandbox, error)
}

// maxSandboxes is how many one user may keep.
const maxSandboxes = 1000

// maxEnded is how many sandboxes are remembered that are gone, to tell why.
const maxEnded = 100

// Keeper keeps sandboxes. It is safe for concurrent use.
type Keeper struct {
	opener Opener

	mu      sync.Mutex // guards below
	boxes   map[string]*Box
	opening map[string]bool // names that are taken by a sandbox that boots
	ended   []gone
	left    bool // no sandbox is taken any more
	since   time.Time
	changed chan struct{} // closed at the next change of the above
	watches sync.WaitGroup
}

// gone is a sandbox that has ended.
type gone struct {
	name string
	why  error
}

// New returns a keeper without sandboxes.
func New(o Opener) *Keeper {
	return &Keeper{
		opener: o, boxes: map[string]*Box{}, opening: map[string]bool{},
		since: time.Now(), changed: make(chan struct{}),
	}
}

var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]{0,62}$`)

// Create boots a sandbox under a name; without one it makes one up. It fails
// with fault.Exists for a name that is taken, and as Opener.Open does.
func (k *Keeper) Create(ctx context.Context, name string, o service.Opening) (*Box, error) {
	name, err := k.reserve(name)
	if err != nil {
		return nil, err
	}
	s, err := k.opener.Open(ctx, o)

	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.opening, name)
	defer k.change()
	if err != nil {
		return nil, err
	}
	if k.left { // Close came meanwhile
		return nil, errors.Join(errLeaving, s.Kill())
	}
	b := newBox(name, o, s)
	k.boxes[name] = b
	k.watches.Go(func() { k.watch(b) })
	return b, nil
}

// reserve takes a name.
func (k *Keeper) reserve(name string) (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if name == "" {
		name = k.invent()
	}
	switch {
	case k.left:
		return "", errLeaving
	case !nameForm.MatchString(name):
		return "", fault.Newf(fault.Invalid, "%q is not a name for a sandbox", name).
			WithHint("use up to 63 of a-z, 0-9, '.', '_' and '-', beginning with a letter or a digit")
	case k.boxes[name] != nil || k.opening[name]:
		return "", fault.Newf(fault.Exists, "there is a sandbox %q already", name).
			WithHint("remove it with 'bulkhead sandbox rm %s', or take another name", name)
	case len(k.boxes)+len(k.opening) >= maxSandboxes:
		return "", fault.Newf(fault.Exhausted, "%d sandboxes are kept already", maxSandboxes)
	}
	k.opening[name] = true
	k.change()
	return name, nil
}

// invent makes up a name that is free. The caller holds the lock.
func (k *Keeper) invent() string {
	for {
		var b [4]byte
		_, _ = rand.Read(b[:])
		name := "sandbox-" + hex.EncodeToString(b[:])
		if k.boxes[name] == nil && !k.opening[name] {
			return name
		}
	}
}

// change tells whoever waits. The caller holds the lock.
func (k *Keeper) change() {
	k.since = time.Now()
	close(k.changed)
	k.changed = make(chan struct{})
}

// watch forgets a sandbox when it has ended.
func (k *Keeper) watch(b *Box) {
	<-b.Done()
	b.log.close()
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.boxes, b.Name)
	k.ended = append(k.ended, gone{b.Name, b.Err()})
	if len(k.ended) > maxEnded {
		k.ended = slices.Delete(k.ended, 0, len(k.ended)-maxEnded)
	}
	k.change()
}

// Get finds a sandbox. When there is none it says what became of the last one
// of that name.
func (k *Keeper) Get(name string) (*Box, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if b := k.boxes[name]; b != nil {
		return b, nil
	}
	for _, g := range slices.Backward(k.ended) {
		if g.name == name {
			return nil, fault.Newf(fault.NotFound, "there is no sandbox %q any more: %w", name, g.why)
		}
	}
	err := fault.Newf(fault.NotFound, "there is no sandbox %q", name)
	if near := fault.Nearest(name, slices.Collect(maps.Keys(k.boxes))); near != "" {
		return nil, err.WithHint("did you mean '%s'?", near)
	}
	return nil, err.WithHint("make one with 'bulkhead sandbox create %s'", name)
}

// List returns the sandboxes by name.
func (k *Keeper) List() []*Box {
	k.mu.Lock()
	defer k.mu.Unlock()
	var list []*Box
	for _, name := range slices.Sorted(maps.Keys(k.boxes)) {
		list = append(list, k.boxes[name])
	}
	return list
}

// Remove ends a sandbox and returns when it is gone and its name free. With
// kill its processes are not asked first.
func (k *Keeper) Remove(name string, kill bool) error {
	b, err := k.Get(name)
	if err != nil {
		return err
	}
	end := b.Close
	if kill {
		end = b.Kill
	}
	err = end()
	k.forgotten(b)
	return err
}

// forgotten waits until a sandbox that has ended is off the list.
func (k *Keeper) forgotten(b *Box) {
	for {
		k.mu.Lock()
		there, changed := k.boxes[b.Name] == b, k.changed
		k.mu.Unlock()
		if !there {
			return
		}
		<-changed
	}
}

var errLeaving error = fault.New(fault.Unavailable, "the sandbox holder is leaving").
	WithHint("run the command again")

// Linger returns when there has been no sandbox for a while, or ctx ends. From
// then on none is taken any more.
func (k *Keeper) Linger(ctx context.Context, while time.Duration) {
	timer := time.NewTimer(while)
	defer timer.Stop()
	for {
		rest, changed := k.rest(while)
		if rest <= 0 {
			return
		}
		timer.Reset(rest)
		select {
		case <-timer.C:
		case <-changed:
		case <-ctx.Done():
			k.leave()
			return
		}
	}
}

// rest is how long Linger must still wait; when that is no time it leaves.
func (k *Keeper) rest(while time.Duration) (time.Duration, chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.boxes)+len(k.opening) > 0 {
		return while, k.changed
	}
	rest := while - time.Since(k.since)
	k.left = k.left || rest <= 0
	return rest, k.changed
}

func (k *Keeper) leave() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.left = true
}

// Close ends every sandbox and returns when all are gone. It may be called
// twice.
func (k *Keeper) Close() error {
	k.leave()
	var all sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	for _, b := range k.List() {
		all.Go(func() {
			err := b.Close()
			mu.Lock()
			errs = append(errs, err)
			mu.Unlock()
		})
	}
	all.Wait()
	k.watches.Wait()
	return errors.Join(errs...)
}
