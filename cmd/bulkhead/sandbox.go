package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	apiv1 "github.com/bulkhead-dev/bulkhead/api/v1"
	"github.com/bulkhead-dev/bulkhead/internal/daemon"
	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/server/wire"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// sandbox is the group of commands on named sandboxes.
func (p program) sandbox() *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "sandbox",
		Short: "Sandboxes that stay: create, exec, cp, logs, rm",
		Long: `Sandboxes that stay, by name. A background process of yours keeps them; it begins
with the first one and ends with the last, and they end with it. The commands of
one sandbox share its files, processes and limits: they are not isolated from
each other.`,
		Example: `  bulkhead sandbox create box --read ~/src --idle 30m
  bulkhead sandbox exec box -- make -C ~/src test
  bulkhead sandbox rm box`,
	})
	cmd.AddCommand(
		p.sandboxCreate(), p.sandboxList(), p.sandboxShow(), p.sandboxExec(), p.sandboxCopy(), p.sandboxLogs(),
		p.sandboxStats(), p.sandboxPause(), p.sandboxResume(), p.sandboxLimit(), p.sandboxRemove(),
	)
	return cmd
}

// ofSandbox makes a command one on a named sandbox.
func (p program) ofSandbox(cmd *cobra.Command) *cobra.Command {
	if cmd.Args == nil {
		cmd.Args = wants("NAME")
	}
	cmd.ValidArgsFunction = p.completeSandbox
	return cmd
}

// completeSandbox completes the names of sandboxes.
func (p program) completeSandbox(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), time.Second)
	defer cancel()
	k, err := p.kept(ctx, false)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer k.Close()
	list, err := k.ListSandboxes(ctx, connect.NewRequest(new(apiv1.ListSandboxesRequest)))
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, s := range list.Msg.GetSandboxes() {
		names = append(names, s.GetName())
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// sandboxFlags are the flags with which a sandbox begins.
type sandboxFlags struct {
	policyFlags
	workspace string
	idle      time.Duration
}

func (f *sandboxFlags) bind(cmd *cobra.Command) {
	f.policyFlags.bind(cmd)
	cmd.Flags().Lookup("timeout").Usage = "stop each command after this `TIME`, such as 30s or 5m"
	cmd.Flags().StringVar(&f.workspace, "workspace", "", "`DIR` of yours that becomes the work folder, to read and write (default: a private empty one)")
	_ = cmd.RegisterFlagCompletionFunc("workspace", completeFolder)
}

// request is what the flags ask for.
func (f *sandboxFlags) request(name string) (*apiv1.CreateSandboxRequest, error) {
	pol, err := f.policy()
	if err != nil {
		return nil, err
	}
	text := new(strings.Builder)
	if err := pol.Print(text); err != nil {
		return nil, err
	}
	if f.idle < 0 {
		return nil, fault.Newf(fault.Invalid, "--idle %s is negative", f.idle)
	}
	req := &apiv1.CreateSandboxRequest{
		Name: name, Policy: text.String(), PolicyFile: f.path(), IdleMs: wire.Millis(f.idle),
		Env: environment(pol.Env.Pass),
	}
	req.Workspace, err = absoluteFolder(f.workspace)
	return req, err
}

// absoluteFolder makes a folder of the user's absolute; none stays none.
func absoluteFolder(dir string) (string, error) {
	if dir == "" {
		return "", nil
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fault.Newf(fault.Unavailable, "current folder: %w", err)
	}
	if info, err := os.Stat(abs); err != nil || !info.IsDir() {
		return "", fault.Newf(fault.Invalid, "--workspace %s is not a folder", dir)
	}
	return abs, nil
}

// sandboxCreate boots a sandbox.
func (p program) sandboxCreate() *cobra.Command {
	var flags sandboxFlags
	cmd := &cobra.Command{
		Use:   "create NAME [flags]",
		Short: "Start a sandbox that stays, under a name",
		Long: `Start a sandbox that stays, under a name: up to 63 of a-z, 0-9, '.', '_' and '-'.
It may touch only what the policy grants, like the one of exec. It lives until it
is removed, has been idle for too long, or you log out and your processes end.`,
		Example: `  bulkhead sandbox create box
  bulkhead sandbox create build --workspace . --memory 4G --idle 30m
  bulkhead sandbox create careful --policy policy.yaml --syscalls strict`,
		Args: wants("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			req, err := flags.request(args[0])
			if err != nil {
				return err
			}
			s, err := p.create(cmd.Context(), req)
			if err != nil {
				return err
			}
			if wantsJSON(cmd) {
				return p.json(s)
			}
			return p.say("sandbox %s is %s", s.GetName(), s.GetStatus())
		},
	}
	flags.bind(cmd)
	cmd.Flags().DurationVar(&flags.idle, "idle", 0, "end it when nothing was asked of it for this `TIME`, such as 30m (default: never)")
	return cmd
}

// create starts a sandbox in the holder, which it starts if need be. When the
// holder is just leaving, the next one is asked.
func (p program) create(ctx context.Context, req *apiv1.CreateSandboxRequest) (*apiv1.Sandbox, error) {
	ctx, _, stop := interruptible(ctx)
	defer stop()
	for attempt := 0; ; attempt++ {
		k, err := p.kept(ctx, true)
		if err != nil {
			return nil, interrupted(ctx, err)
		}
		s, err := k.CreateSandbox(ctx, connect.NewRequest(req))
		_ = k.Close()
		if err == nil {
			return s.Msg, nil
		}
		if err = wire.FromConnect(err); attempt == 2 || fault.KindOf(err) != fault.Unavailable {
			return nil, interrupted(ctx, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// sandboxes asks for all sandboxes; without a holder there are none.
func (p program) sandboxes(cmd *cobra.Command) (*apiv1.ListSandboxesResponse, error) {
	ctx, _, stop := interruptible(cmd.Context())
	defer stop()
	k, err := p.kept(ctx, false)
	if errors.Is(err, daemon.ErrNoKeeper) {
		return new(apiv1.ListSandboxesResponse), nil
	}
	if err != nil {
		return nil, err
	}
	defer k.Close()
	list, err := k.ListSandboxes(ctx, connect.NewRequest(new(apiv1.ListSandboxesRequest)))
	if err != nil {
		return nil, interrupted(ctx, wire.FromConnect(err))
	}
	return list.Msg, nil
}

// sandboxList lists the sandboxes.
func (p program) sandboxList() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List your sandboxes",
		Example: "  bulkhead sandbox list\n  bulkhead sandbox list --json | jq -r '.sandboxes[].name'",
		Args:    wants(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := p.sandboxes(cmd)
			if err != nil {
				return err
			}
			if wantsJSON(cmd) {
				return p.json(list)
			}
			if len(list.GetSandboxes()) == 0 {
				p.complain("there are no sandboxes")
				return nil
			}
			t := table{{"NAME", "STATUS", "AGE", "COMMANDS", "IDLE", "WORK FOLDER"}}
			for _, s := range list.GetSandboxes() {
				t = append(t, []string{s.GetName(), s.GetStatus(), age(s.GetCreated()), fmt.Sprint(s.GetExecs()), idleText(s.GetIdleMs()), s.GetWorkspace()})
			}
			return p.print(t.String())
		},
	}
}

// sandboxStats says what sandboxes use.
func (p program) sandboxStats() *cobra.Command {
	return &cobra.Command{
		Use:   "stats",
		Short: "Show what your sandboxes use: CPU time, memory, processes, disk",
		Long: `Show what your sandboxes use, by the kernel's own counters: CPU time so far, memory
now and at most, processes and threads, and what was read from and written to
disks. What this host does not count is 0.`,
		Example: "  bulkhead sandbox stats\n  bulkhead sandbox stats --json",
		Args:    wants(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := p.sandboxes(cmd)
			if err != nil {
				return err
			}
			if wantsJSON(cmd) {
				return p.json(list)
			}
			t := table{{"NAME", "STATUS", "CPU", "MEMORY", "PEAK", "PIDS", "READ", "WRITTEN", "KILLED FOR MEMORY"}}
			for _, s := range list.GetSandboxes() {
				u := s.GetUsage()
				t = append(t, []string{
					s.GetName(), s.GetStatus(), milliseconds(u.GetCpuMs()), sizeText(u.GetMemoryBytes()), sizeText(u.GetMemoryPeakBytes()),
					fmt.Sprint(u.GetPids()), sizeText(u.GetReadBytes()), sizeText(u.GetWrittenBytes()), fmt.Sprint(u.GetOomKills()),
				})
			}
			return p.print(t.String())
		},
	}
}

// sandboxShow describes one sandbox.
func (p program) sandboxShow() *cobra.Command {
	return p.ofSandbox(&cobra.Command{
		Use:     "show NAME",
		Short:   "Show a sandbox: its policy, its walls, what was refused, what runs",
		Example: "  bulkhead sandbox show box",
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withSandbox(cmd, args[0], func(ctx context.Context, k *daemon.Kept) error {
				s, err := k.GetSandbox(ctx, connect.NewRequest(&apiv1.GetSandboxRequest{Name: args[0]}))
				if err != nil {
					return err
				}
				if wantsJSON(cmd) {
					return p.json(s.Msg)
				}
				return p.print(showSandbox(s.Msg))
			})
		},
	})
}

// showSandbox is a sandbox for people.
func showSandbox(s *apiv1.Sandbox) string {
	var b strings.Builder
	u := s.GetUsage()
	fmt.Fprintf(&b, "%s is %s, since %s, %d commands\n", s.GetName(), s.GetStatus(), age(s.GetCreated()), s.GetExecs())
	fmt.Fprintf(&b, "uses %s of CPU, %s of memory (at most %s), %d processes and threads\n",
		milliseconds(u.GetCpuMs()), sizeText(u.GetMemoryBytes()), sizeText(u.GetMemoryPeakBytes()), u.GetPids())
	fmt.Fprintf(&b, "\npolicy:\n  %s\n", strings.ReplaceAll(strings.TrimSpace(s.GetPolicy()), "\n", "\n  "))

	t := table{{"STEP", "STATUS", "DETAIL"}}
	for _, step := range s.GetReport().GetSteps() {
		t = append(t, []string{step.GetName(), step.GetStatus(), step.GetDetail()})
	}
	fmt.Fprintf(&b, "\n%s", t)
	for _, d := range s.GetReport().GetDenials() {
		fmt.Fprintf(&b, "%s\n", denialLine(d))
	}
	if len(s.GetProcesses()) == 0 {
		return b.String()
	}
	t = table{{"PID", "PARENT", "CPU", "MEMORY", "COMMAND"}}
	for _, proc := range s.GetProcesses() {
		t = append(t, []string{
			fmt.Sprint(proc.GetPid()), fmt.Sprint(proc.GetParent()), milliseconds(proc.GetCpuMs()), sizeText(proc.GetRssBytes()),
			strings.Join(proc.GetArgs(), " "),
		})
	}
	fmt.Fprintf(&b, "\n%s", t)
	return b.String()
}

// sandboxPause stops a sandbox's processes.
func (p program) sandboxPause() *cobra.Command {
	return p.ofSandbox(&cobra.Command{
		Use:   "pause NAME",
		Short: "Stop every process of a sandbox, until it is resumed",
		Long: `Stop every process of a sandbox, until it is resumed. Meanwhile it uses no CPU, and
commands in it wait. It needs a cgroup that can be frozen.`,
		Example: "  bulkhead sandbox pause box",
		RunE:    func(cmd *cobra.Command, args []string) error { return p.pauseSandbox(cmd, args[0], false) },
	})
}

// sandboxResume lets a sandbox's processes go on.
func (p program) sandboxResume() *cobra.Command {
	return p.ofSandbox(&cobra.Command{
		Use:     "resume NAME",
		Short:   "Let a paused sandbox go on",
		Example: "  bulkhead sandbox resume box",
		RunE:    func(cmd *cobra.Command, args []string) error { return p.pauseSandbox(cmd, args[0], true) },
	})
}

func (p program) pauseSandbox(cmd *cobra.Command, name string, resume bool) error {
	return p.withSandbox(cmd, name, func(ctx context.Context, k *daemon.Kept) error {
		s, err := k.PauseSandbox(ctx, connect.NewRequest(&apiv1.PauseSandboxRequest{Name: name, Resume: resume}))
		if err != nil {
			return err
		}
		return p.tellSandbox(cmd, s.Msg)
	})
}

// tellSandbox says where a sandbox stands now.
func (p program) tellSandbox(cmd *cobra.Command, s *apiv1.Sandbox) error {
	if wantsJSON(cmd) {
		return p.json(s)
	}
	return p.say("sandbox %s is %s", s.GetName(), s.GetStatus())
}

// sandboxLimit changes the limits of a sandbox.
func (p program) sandboxLimit() *cobra.Command {
	var memory size
	req := new(apiv1.LimitSandboxRequest)
	cmd := p.ofSandbox(&cobra.Command{
		Use:     "limit NAME",
		Short:   "Change the limits of a sandbox that lives",
		Long:    "Change the limits of a sandbox that lives. What no flag names stays as it is.",
		Example: "  bulkhead sandbox limit box --memory 1G --cpus 1.5 --pids 200",
		RunE: func(cmd *cobra.Command, args []string) error {
			req.Name, req.MemoryBytes = args[0], float64(memory)
			if req.GetMemoryBytes() == 0 && req.GetCpus() == 0 && req.GetPids() == 0 {
				return fault.New(fault.Invalid, "no limit to change").WithHint("name one: --memory, --cpus or --pids")
			}
			return p.withSandbox(cmd, args[0], func(ctx context.Context, k *daemon.Kept) error {
				s, err := k.LimitSandbox(ctx, connect.NewRequest(req))
				if err != nil {
					return err
				}
				return p.tellSandbox(cmd, s.Msg)
			})
		},
	})
	cmd.Flags().Var(&memory, "memory", "`SIZE` of the memory of all its processes together, such as 512M")
	cmd.Flags().Float64Var(&req.Cpus, "cpus", 0, "CPU seconds per second")
	cmd.Flags().Int32Var(&req.Pids, "pids", 0, "processes and threads")
	return cmd
}

// sandboxRemove ends a sandbox.
func (p program) sandboxRemove() *cobra.Command {
	var kill bool
	cmd := p.ofSandbox(&cobra.Command{
		Use:   "rm NAME",
		Short: "End a sandbox and everything in it",
		Long: `End a sandbox and everything in it. Its processes are asked to stop, and killed two
seconds later; with --kill at once. It returns when all is gone, and what was in
its private folders with it.`,
		Example: "  bulkhead sandbox rm box\n  bulkhead sandbox rm box --kill",
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withSandbox(cmd, args[0], func(ctx context.Context, k *daemon.Kept) error {
				_, err := k.RemoveSandbox(ctx, connect.NewRequest(&apiv1.RemoveSandboxRequest{Name: args[0], Kill: kill}))
				if err != nil {
					return err
				}
				if wantsJSON(cmd) {
					return p.json(new(apiv1.RemoveSandboxResponse))
				}
				return p.say("sandbox %s is gone", args[0])
			})
		},
	})
	cmd.Flags().BoolVar(&kill, "kill", false, "do not ask its processes first")
	return cmd
}

// age is how long ago a time of the API was.
func age(created string) string {
	t, err := time.Parse(time.RFC3339Nano, created)
	if err != nil {
		return ""
	}
	return time.Since(t).Round(time.Second).String()
}

func idleText(ms float64) string {
	if ms == 0 {
		return "never"
	}
	return wire.FromMillis(ms).String()
}

// sizeText is a number of bytes for people.
func sizeText(n float64) string {
	b := policy.Bytes(n)
	for _, unit := range []policy.Bytes{policy.GiB, policy.MiB, policy.KiB} {
		if b >= unit {
			return fmt.Sprintf("%.1f%s", float64(b)/float64(unit), map[policy.Bytes]string{policy.GiB: "G", policy.MiB: "M", policy.KiB: "K"}[unit])
		}
	}
	return fmt.Sprint(int64(b))
}
