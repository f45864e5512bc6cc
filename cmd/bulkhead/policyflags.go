package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// policyFlags are the flags that say what a sandbox may touch.
type policyFlags struct {
	file        string
	layer       string
	read, write []string
	env         []string
	passEnv     []string
	memory      size
	timeout     time.Duration
	syscalls    string
	bestEffort  bool
	trace       bool
}

// bind adds the flags to a command.
func (f *policyFlags) bind(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.file, "policy", "", "policy `FILE` (YAML or JSON) that the flags add to")
	flags.StringVar(&f.layer, "layer", "", "isolation `LAYER`: native (default)")
	flags.StringArrayVar(&f.read, "read", nil, "`PATH` that may be read; may be repeated")
	flags.StringArrayVar(&f.write, "write", nil, "`PATH` that may be read and written; may be repeated")
	flags.StringArrayVar(&f.env, "env", nil, "environment variable as `NAME=VALUE`; may be repeated")
	flags.StringArrayVar(&f.passEnv, "pass-env", nil, "`NAME` of a variable to take from your environment; may be repeated")
	flags.Var(&f.memory, "memory", "`SIZE` of the memory of all its processes together, such as 512M")
	flags.DurationVar(&f.timeout, "timeout", 0, "stop it after this `TIME`, such as 30s or 5m")
	flags.StringVar(&f.syscalls, "syscalls", "", "system call `PROFILE`: default, or strict")
	flags.BoolVar(&f.bestEffort, "best-effort", false, "start even if a wall cannot be put up; the report says which")
	flags.BoolVar(&f.trace, "trace-denials", false, "watch and report every refused operation; slower")

	_ = cmd.MarkFlagFilename("policy", "yaml", "yml", "json")
	_ = cmd.RegisterFlagCompletionFunc("layer", words("native"))
	_ = cmd.RegisterFlagCompletionFunc("syscalls", words("default", "strict"))
	_ = cmd.RegisterFlagCompletionFunc("pass-env", completeEnv)
}

// policy is the file's policy with the flags added.
func (f *policyFlags) policy() (policy.Policy, error) {
	p, err := readPolicy(f.file)
	if err != nil {
		return policy.Policy{}, err
	}

	if p.Filesystem.Read, err = addPaths(p.Filesystem.Read, f.read); err != nil {
		return policy.Policy{}, err
	}
	if p.Filesystem.Write, err = addPaths(p.Filesystem.Write, f.write); err != nil {
		return policy.Policy{}, err
	}
	if p.Env.Set, err = addEnv(p.Env.Set, f.env); err != nil {
		return policy.Policy{}, err
	}
	p.Env.Pass = append(p.Env.Pass, f.passEnv...)

	if f.layer != "" {
		p.Layer = policy.Layer(f.layer)
	}
	if f.syscalls != "" {
		p.Syscalls = policy.Profile(f.syscalls)
	}
	if f.memory > 0 {
		p.Limits.Memory = policy.Bytes(f.memory)
	}
	if f.timeout < 0 {
		return policy.Policy{}, fault.Newf(fault.Invalid, "--timeout %s is negative", f.timeout)
	}
	if f.timeout > 0 {
		p.Limits.WallTime = f.timeout
	}
	p.BestEffort = p.BestEffort || f.bestEffort
	p.TraceDenials = p.TraceDenials || f.trace
	return p, nil
}

// path is where the policy file really is; empty when there is none.
func (f *policyFlags) path() string {
	if f.file == "" {
		return ""
	}
	abs, err := filepath.Abs(f.file)
	if err != nil {
		return ""
	}
	if real, err := filepath.EvalSymlinks(abs); err == nil {
		return real
	}
	return abs
}

// readPolicy reads a policy file; no file is the zero policy.
func readPolicy(file string) (policy.Policy, error) {
	if file == "" {
		return policy.Policy{}, nil
	}
	data, err := readFile(file)
	if err != nil {
		return policy.Policy{}, err
	}
	return policy.Parse(file, data)
}

// maxInput is the most that we read of a policy or an inputs file, in bytes.
const maxInput = 8 << 20

// readFile reads a file that the user named.
func readFile(file string) ([]byte, error) {
	info, err := os.Stat(file)
	if err == nil && info.IsDir() {
		return nil, fault.Newf(fault.Invalid, "%s is a folder, not a file", file)
	}
	if err == nil && info.Size() > maxInput {
		return nil, fault.Newf(fault.Invalid, "%s is larger than %d MiB", file, maxInput>>20)
	}

	data, err := os.ReadFile(file)
	var perr *fs.PathError
	if errors.As(err, &perr) {
		return nil, fault.Newf(fault.Invalid, "%s: %w", file, perr.Err)
	}
	return data, err
}

// addPaths adds the user's paths, made absolute where they are relative to
// the current folder. ~ and $WORKSPACE keep their meaning.
func addPaths(to, paths []string) ([]string, error) {
	for _, path := range paths {
		if path == "" {
			return nil, fault.New(fault.Invalid, "an empty path cannot be granted")
		}
		if !strings.HasPrefix(path, "~") && !strings.HasPrefix(path, "$") {
			abs, err := filepath.Abs(path)
			if err != nil {
				return nil, fault.Newf(fault.Unavailable, "current folder: %w", err)
			}
			path = abs
		}
		to = append(to, path)
	}
	return to, nil
}

// addEnv adds NAME=VALUE pairs to a copy of a set of variables.
func addEnv(to map[string]string, pairs []string) (map[string]string, error) {
	if len(pairs) == 0 {
		return to, nil
	}
	out := make(map[string]string, len(to)+len(pairs))
	for k, v := range to {
		out[k] = v
	}
	for _, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return nil, fault.Newf(fault.Invalid, "--env %s: want NAME=VALUE", pair).
				WithHint("to take a variable from your own environment: --pass-env %s", pair)
		}
		out[name] = value
	}
	return out, nil
}

// size is a flag for bytes with a unit.
type size policy.Bytes

// Set reads a size.
func (s *size) Set(text string) error {
	b, err := policy.ParseBytes(text)
	if err != nil {
		return err
	}
	if b <= 0 {
		return errors.New("must be more than zero")
	}
	*s = size(b)
	return nil
}

// String is the size as the user would write it; empty for zero.
func (s *size) String() string {
	if *s == 0 {
		return ""
	}
	return policy.Bytes(*s).String()
}

// Type is the placeholder in the help.
func (s *size) Type() string { return "SIZE" }
