package native

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/jail"
	"github.com/bulkhead-dev/bulkhead/internal/kernel/cgroup"
	"github.com/bulkhead-dev/bulkhead/internal/kernel/landlock"
	"github.com/bulkhead-dev/bulkhead/internal/kernel/seccomp"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
	"github.com/bulkhead-dev/bulkhead/internal/spawn"
)

// remedies say what to do when a step of the start fails on a host.
var remedies = map[string]string{
	jail.StepNamespaces: "allow unprivileged user namespaces: sysctl kernel.unprivileged_userns_clone=1 (Debian), kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu), user.max_user_namespaces above 0; in a container, give it CAP_SYS_ADMIN",
	jail.StepUserNS:     "the user namespace could not be mapped; see user_namespaces(7) and the host's AppArmor profile for this binary",
	jail.StepProc:       "the host's /proc is masked, as in Docker: start the outer container with --security-opt systempaths=unconfined",
	jail.StepGrants:     "id-mapped mounts need Linux 5.12 and a file system that supports them (ext4, xfs, btrfs, tmpfs)",
	jail.StepLandlock:   "boot with landlock in the lsm= list (Linux 5.13)",
	jail.StepSeccomp:    "build the kernel with CONFIG_SECCOMP_FILTER",
	jail.StepIDs:        "root needs CAP_SETUID, CAP_SETGID and a writable /run for the user leases",
}

// Probe says what this host can enforce. Its first line is the proof: a
// sandbox with the default policy that really starts.
func (l *Layer) Probe(ctx context.Context) []sandbox.Capability {
	caps := []sandbox.Capability{l.trial(ctx)}
	caps = append(caps, probeLandlock(), probeSeccomp())
	return append(caps, probeCgroups()...)
}

func (l *Layer) trial(ctx context.Context) sandbox.Capability {
	c := sandbox.Capability{Name: "sandbox"}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	res, err := sandbox.New(l).Run(ctx, sandbox.Request{Args: []string{"true"}}, sandbox.IO{})
	switch {
	case err != nil:
		c.Detail, c.Remedy = err.Error(), remedy(err)
	case res.ExitCode != 0:
		c.Detail = fmt.Sprintf("true ended with exit code %d, signal %d", res.ExitCode, res.Signal)
	default:
		c.OK, c.Detail = true, fmt.Sprintf("started true with %d walls", len(res.Report.Steps))
	}
	return c
}

// remedy finds the advice for the step that failed.
func remedy(err error) string {
	var step *spawn.StepError
	if errors.As(err, &step) {
		return remedies[step.Step]
	}
	for name, text := range remedies {
		if strings.HasPrefix(err.Error(), name+":") {
			return text
		}
	}
	return fault.HintOf(err)
}

func probeLandlock() sandbox.Capability {
	abi, err := landlock.ABI()
	c := sandbox.Capability{Name: "landlock", OK: err == nil && abi > 0, Detail: fmt.Sprintf("ABI %d", abi)}
	if !c.OK {
		c.Remedy = remedies[jail.StepLandlock]
	}
	return c
}

func probeSeccomp() sandbox.Capability {
	s := seccomp.Probe()
	c := sandbox.Capability{Name: "seccomp", OK: s.Filters, Detail: s.Detail}
	if !c.OK {
		c.Remedy = remedies[jail.StepSeccomp]
	}
	return c
}

func probeCgroups() []sandbox.Capability {
	h, err := cgroup.Detect()
	if err != nil {
		return []sandbox.Capability{{Name: jail.StepCgroup, Detail: err.Error()}}
	}
	var caps []sandbox.Capability
	for _, have := range h.Controllers() {
		c := sandbox.Capability{Name: jail.StepCgroup + " " + have.Name, OK: have.Usable, Detail: have.Why}
		if have.Usable {
			c.Detail = fmt.Sprintf("version %d", have.Version)
		} else {
			c.Remedy = "as root mount the controller; as an ordinary user run inside a delegated scope: systemd-run --user --scope -p Delegate=yes"
		}
		caps = append(caps, c)
	}
	return caps
}
