//go:build linux

package seccomp

import "golang.org/x/sys/unix"

// prctlOption is the decision on one option of prctl.
type prctlOption struct {
	option  uint32
	allowed bool
	why     string
}

// The words of the table.
const yes, no = true, false

// prctlOptions decides on the options that the kernel knows.
var prctlOptions = []prctlOption{
	{unix.PR_GET_PDEATHSIG, yes, "reads one's own setting"},
	{unix.PR_GET_DUMPABLE, yes, "reads one's own setting"},
	{unix.PR_SET_DUMPABLE, yes, "hides a process from others of the same sandbox only; programs with keys ask for it"},
	{unix.PR_GET_KEEPCAPS, yes, "reads one's own setting"},
	{unix.PR_SET_KEEPCAPS, yes, "there are no capabilities to keep"},
	{unix.PR_GET_TIMING, yes, "a constant"},
	{unix.PR_SET_NAME, yes, "names a thread"},
	{unix.PR_GET_NAME, yes, "reads one's own name"},
	{unix.PR_GET_SECCOMP, yes, "reads one's own mode"},
	{unix.PR_CAPBSET_READ, yes, "reads one's own set"},
	{unix.PR_CAPBSET_DROP, yes, "can only drop"},
	{unix.PR_GET_TSC, yes, "reads one's own setting"},
	{unix.PR_GET_SECUREBITS, yes, "reads one's own setting"},
	{unix.PR_SET_TIMERSLACK, yes, "makes one's own timers coarser or finer"},
	{unix.PR_GET_TIMERSLACK, yes, "reads one's own setting"},
	{unix.PR_MCE_KILL_GET, yes, "reads one's own setting"},
	{unix.PR_SET_CHILD_SUBREAPER, yes, "adopts one's own grandchildren; the pid namespace bounds it"},
	{unix.PR_GET_CHILD_SUBREAPER, yes, "reads one's own setting"},
	{unix.PR_SET_NO_NEW_PRIVS, yes, "already set, cannot be unset"},
	{unix.PR_GET_NO_NEW_PRIVS, yes, "reads one's own setting"},
	{unix.PR_GET_TID_ADDRESS, yes, "reads one's own setting"},
	{unix.PR_SET_THP_DISABLE, yes, "only about one's own pages"},
	{unix.PR_GET_THP_DISABLE, yes, "reads one's own setting"},
	{unix.PR_CAP_AMBIENT, yes, "cannot raise what is not permitted"},
	{unix.PR_GET_SPECULATION_CTRL, yes, "reads one's own setting"},
	{unix.PR_SET_VMA, yes, "names one's own mappings; C libraries and Go do"},
	{unix.PR_SET_MDWE, yes, "forbids oneself writable code"},
	{unix.PR_GET_MDWE, yes, "reads one's own setting"},
	{unix.PR_GET_AUXV, yes, "reads one's own start values"},
	{unix.PR_SVE_GET_VL, yes, "vector length of arm64"},
	{unix.PR_SVE_SET_VL, yes, "vector length of arm64"},
	{unix.PR_SME_GET_VL, yes, "vector length of arm64"},
	{unix.PR_SME_SET_VL, yes, "vector length of arm64"},
	{unix.PR_PAC_RESET_KEYS, yes, "new pointer keys for oneself, on arm64"},
	{unix.PR_GET_TAGGED_ADDR_CTRL, yes, "reads one's own setting, on arm64"},
	{unix.PR_SET_TAGGED_ADDR_CTRL, yes, "memory tagging for oneself, on arm64"},

	{unix.PR_SET_PDEATHSIG, no, "would undo the order to die with Bulkhead"},
	{unix.PR_SET_SECCOMP, no, "filters of one's own are code compiled into the kernel"},
	{unix.PR_SET_MM, no, "rewrites what /proc shows about the process"},
	{unix.PR_SET_PTRACER, no, "nobody may trace here"},
	{unix.PR_SET_SECUREBITS, no, "changes how ids and capabilities meet"},
	{unix.PR_SET_TSC, no, "no program needs it"},
	{unix.PR_SET_SPECULATION_CTRL, no, "could take mitigations off"},
	{unix.PR_SET_SYSCALL_USER_DISPATCH, no, "diverts system calls"},
	{unix.PR_SCHED_CORE, no, "chooses who shares a core"},
	{unix.PR_SET_MEMORY_MERGE, no, "merged pages tell by timing what other sandboxes hold"},
	{unix.PR_SET_IO_FLUSHER, no, "writes past memory limits"},
	{unix.PR_MCE_KILL, no, "no program needs it"},
	{unix.PR_TASK_PERF_EVENTS_DISABLE, no, "performance events are not offered"},
	{unix.PR_TASK_PERF_EVENTS_ENABLE, no, "performance events are not offered"},
}
