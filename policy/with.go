package policy

import (
	"maps"
	"slices"
	"time"
)

// Option changes one thing of a policy; see With.
type Option func(*Policy)

// With returns a copy with changes; p stays as it was. Nothing is checked:
// Validate or Resolve does that.
func (p Policy) With(options ...Option) Policy {
	c := p.Clone()
	for _, o := range options {
		o(&c)
	}
	return c
}

// Clone returns a copy that shares nothing with p.
func (p Policy) Clone() Policy {
	p.Filesystem.Read = slices.Clone(p.Filesystem.Read)
	p.Filesystem.Write = slices.Clone(p.Filesystem.Write)
	p.Filesystem.Protect = slices.Clone(p.Filesystem.Protect)
	p.Network.Allow = slices.Clone(p.Network.Allow)
	p.Env.Set = maps.Clone(p.Env.Set)
	p.Env.Pass = slices.Clone(p.Env.Pass)
	return p
}

// ReadOnly grants reading and running of paths and what lies beneath.
func ReadOnly(paths ...string) Option {
	return func(p *Policy) { p.Filesystem.Read = union(p.Filesystem.Read, paths) }
}

// Writable grants writing and reading of paths and what lies beneath.
func Writable(paths ...string) Option {
	return func(p *Policy) { p.Filesystem.Write = union(p.Filesystem.Write, paths) }
}

// SetEnv sets a variable; it is then no longer passed.
func SetEnv(name, text string) Option {
	return func(p *Policy) {
		if p.Env.Set == nil {
			p.Env.Set = map[string]string{}
		}
		p.Env.Set[name] = text
		p.Env.Pass = slices.DeleteFunc(p.Env.Pass, func(n string) bool { return n == name })
		if len(p.Env.Pass) == 0 {
			p.Env.Pass = nil
		}
	}
}

// PassEnv passes variables of the caller; they are then no longer set.
func PassEnv(names ...string) Option {
	return func(p *Policy) {
		p.Env.Pass = union(p.Env.Pass, names)
		for _, n := range names {
			delete(p.Env.Set, n)
		}
		if len(p.Env.Set) == 0 {
			p.Env.Set = nil
		}
	}
}

// Memory limits the memory of all processes together; 0 is the default.
func Memory(b Bytes) Option { return func(p *Policy) { p.Limits.Memory = b } }

// CPUs limits CPU seconds per second; 0 is no limit.
func CPUs(n float64) Option { return func(p *Policy) { p.Limits.CPUs = n } }

// PIDs limits processes and threads together; 0 is the default.
func PIDs(n int) Option { return func(p *Policy) { p.Limits.PIDs = n } }

// Output limits stdout and stderr each; 0 is the default.
func Output(b Bytes) Option { return func(p *Policy) { p.Limits.Output = b } }

// Scratch limits /tmp, /dev/shm and HOME each; 0 is the default.
func Scratch(b Bytes) Option { return func(p *Policy) { p.Limits.Scratch = b } }

// Timeout limits the time from start to end; 0 is no limit.
func Timeout(d time.Duration) Option { return func(p *Policy) { p.Limits.WallTime = d } }

// InLayer chooses the layer; empty is native.
func InLayer(l Layer) Option { return func(p *Policy) { p.Layer = l } }

// SystemCalls chooses the profile; empty is Default.
func SystemCalls(profile Profile) Option { return func(p *Policy) { p.Syscalls = profile } }

// TraceDenials watches refused operations and reports them.
func TraceDenials() Option { return func(p *Policy) { p.TraceDenials = true } }

// BestEffort starts even if something asked for cannot be enforced.
func BestEffort() Option { return func(p *Policy) { p.BestEffort = true } }

// union appends what is not there yet.
func union(have, more []string) []string {
	for _, s := range more {
		if !slices.Contains(have, s) {
			have = append(have, s)
		}
	}
	return have
}
