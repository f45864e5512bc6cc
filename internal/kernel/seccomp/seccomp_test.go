//go:build linux

package seccomp

import (
	"bytes"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

var architectures = []Arch{AMD64, ARM64}

func shipped() []Filter {
	return []Filter{Default(), Strict(), Default().Notifying(), Strict().Notifying()}
}

func compile(t testing.TB, f Filter, a Arch) []unix.SockFilter {
	t.Helper()
	prog, err := f.Compile(a)
	if err != nil {
		t.Fatalf("Compile %s for %s: %v", f.Name, a.Name, err)
	}
	return prog
}

// interesting are values around everything that the tables compare with.
func interesting(f Filter) []uint64 {
	seen := map[uint64]bool{}
	for _, v := range []uint64{0, 1, 2, 3, 5, 0o644, 0o4755, 0o2755, 0o6000, 0o20644, 0o60644, 0o100644, 0o10644, 0x80801, 0x80802, low32, 1 << 32, ^uint64(0)} {
		seen[v] = true
	}
	for _, r := range f.Rules {
		for _, c := range r.When {
			for _, v := range []uint64{c.Value, c.Mask} {
				seen[v], seen[v|1<<32], seen[v^1] = true, true, true
			}
		}
	}
	var all []uint64
	for v := range seen {
		all = append(all, v)
	}
	return all
}

func TestCompile_agreesWithTheTablesForEveryCallAndValue(t *testing.T) {
	for _, f := range shipped() {
		values := interesting(f)
		for _, a := range architectures {
			prog := compile(t, f, a)
			for nr := range uint32(600) {
				agree(t, f, a, prog, nr, [6]uint64{})
				for arg := range 4 {
					for _, v := range values {
						var args [6]uint64
						args[arg] = v
						agree(t, f, a, prog, nr, args)
					}
				}
			}
		}
	}
}

func TestCompile_agreesWithTheTablesForPairsAndTriples(t *testing.T) {
	flags := []uint64{0, unix.O_CREAT, unix.O_TMPFILE, creates, unix.O_RDWR, unix.O_DIRECTORY}
	modes := []uint64{0, 0o644, 0o4755, 0o2755, 1<<40 | 0o644, 1<<40 | 0o4000}
	kinds := []uint64{1, 2, 3, 5, 0x80001, 0x801, 0x80802, 1 << 33}
	protocols := []uint64{0, 1, 6, 17, 132, 262, 1 << 32}
	for _, f := range shipped() {
		for _, a := range architectures {
			prog := compile(t, f, a)
			for _, fl := range flags {
				for _, m := range modes {
					agree(t, f, a, prog, a.Numbers["openat"], [6]uint64{3, 0, fl, m})
					agree(t, f, a, prog, a.Numbers["open"], [6]uint64{0, fl, m})
				}
			}
			for family := range uint64(50) {
				for _, k := range kinds {
					for _, p := range protocols {
						agree(t, f, a, prog, a.Numbers["socket"], [6]uint64{family, k, p})
						agree(t, f, a, prog, a.Numbers["socketpair"], [6]uint64{family, k, p})
					}
				}
			}
		}
	}
}

func TestCompile_killsForeignArchitectures(t *testing.T) {
	const i386 = 0x40000003
	for _, f := range shipped() {
		for _, a := range architectures {
			prog := compile(t, f, a)
			for _, other := range []uint32{i386, 0, low32, a.Audit ^ 1, a.Audit &^ 0x40000000} {
				if got, _, _ := simulate(prog, seccompData(other, a.Numbers["read"], [6]uint64{})); got != killReturn {
					t.Errorf("%s %s under architecture %#x = %#x, want kill", f.Name, a.Name, other, got)
				}
			}
		}
	}
}

func TestCompile_killsTheX32ABI(t *testing.T) {
	prog := compile(t, Default(), AMD64)
	for _, nr := range []uint32{x32Bit, x32Bit + 1, x32Bit | 257, low32} {
		if got, _, _ := simulate(prog, seccompData(AMD64.Audit, nr, [6]uint64{})); got != killReturn {
			t.Errorf("call %#x = %#x, want kill", nr, got)
		}
	}
}

func TestCompile_isBalanced(t *testing.T) {
	for _, f := range shipped() {
		for _, a := range architectures {
			prog := compile(t, f, a)
			for nr := range uint32(500) {
				if _, steps, _ := simulate(prog, seccompData(a.Audit, nr, [6]uint64{})); steps > 80 {
					t.Errorf("%s %s call %d takes %d steps", f.Name, a.Name, nr, steps)
				}
			}
		}
	}
}

// The size decides what starting a process costs. A change is fine when it is
// meant.
func TestCompile_sizeIsPinned(t *testing.T) {
	want := map[string]int{
		"default amd64": 414, "default arm64": 377,
		"strict amd64": 203, "strict arm64": 187,
	}
	for _, f := range []Filter{Default(), Strict()} {
		for _, a := range architectures {
			key := f.Name + " " + a.Name
			if got := len(compile(t, f, a)); got != want[key] {
				t.Errorf("%s: %d instructions, want %d", key, got, want[key])
			}
		}
	}
}

// decision is one call written out by hand, independent of the tables.
type decision struct {
	name string
	call string
	args [6]uint64
	want Action
}

var defaultDecisions = []decision{
	{"read", "read", [6]uint64{}, Allow},
	{"fork by clone", "clone", [6]uint64{0x1200011}, Allow},
	{"thread by clone", "clone", [6]uint64{0x3d0f00}, Allow},
	{"user namespace by clone", "clone", [6]uint64{0x10000011}, Errno(unix.EPERM)},
	{"network namespace among others", "clone", [6]uint64{0x7c020011}, Errno(unix.EPERM)},
	{"cgroup namespace by clone", "clone", [6]uint64{0x02000011}, Errno(unix.EPERM)},
	{"clone3", "clone3", [6]uint64{}, Errno(unix.ENOSYS)},
	{"openat2", "openat2", [6]uint64{}, Errno(unix.ENOSYS)},
	{"unshare of nothing", "unshare", [6]uint64{}, Errno(unix.EPERM)},
	{"setns", "setns", [6]uint64{}, Errno(unix.EPERM)},
	{"new mount API", "open_tree", [6]uint64{}, Errno(unix.EPERM)},
	{"ptrace", "ptrace", [6]uint64{}, Errno(unix.EPERM)},
	{"io_uring", "io_uring_setup", [6]uint64{}, Errno(unix.EPERM)},
	{"typing into a terminal", "ioctl", [6]uint64{0, 0x5412}, Errno(unix.EPERM)},
	{"typing with dirt in the upper half", "ioctl", [6]uint64{0, 0xdead00005412}, Errno(unix.EPERM)},
	{"pasting in a console", "ioctl", [6]uint64{0, 0x541c}, Errno(unix.EPERM)},
	{"window size", "ioctl", [6]uint64{0, 0x5413}, Allow},
	{"unix stream", "socket", [6]uint64{1, 1, 0}, Allow},
	{"unix stream, close-on-exec, non-blocking", "socket", [6]uint64{1, 1 | 0x80800, 0}, Allow},
	{"tcp", "socket", [6]uint64{2, 1, 6}, Allow},
	{"udp over IPv6", "socket", [6]uint64{10, 2, 17}, Allow},
	{"ping socket", "socket", [6]uint64{2, 2, 1}, Errno(unix.EPROTONOSUPPORT)},
	{"raw socket", "socket", [6]uint64{2, 3, 255}, Errno(unix.EPERM)},
	{"MPTCP", "socket", [6]uint64{2, 1, 262}, Errno(unix.EPROTONOSUPPORT)},
	{"SCTP", "socket", [6]uint64{10, 1, 132}, Errno(unix.EPROTONOSUPPORT)},
	{"SCTP as seqpacket", "socket", [6]uint64{2, 5, 132}, Errno(unix.EPROTONOSUPPORT)},
	{"SMC", "socket", [6]uint64{43, 1, 0}, Errno(unix.EAFNOSUPPORT)},
	{"AF_ALG", "socket", [6]uint64{38, 5, 0}, Errno(unix.EAFNOSUPPORT)},
	{"AF_PACKET", "socket", [6]uint64{17, 3, 0}, Errno(unix.EAFNOSUPPORT)},
	{"AF_VSOCK", "socket", [6]uint64{40, 1, 0}, Errno(unix.EAFNOSUPPORT)},
	{"route netlink", "socket", [6]uint64{16, 3 | 0x80000, 0}, Allow},
	{"netfilter netlink", "socket", [6]uint64{16, 3, 12}, Errno(unix.EPROTONOSUPPORT)},
	{"pair of unix sockets", "socketpair", [6]uint64{1, 1, 0}, Allow},
	{"pair of tipc sockets", "socketpair", [6]uint64{30, 1, 0}, Errno(unix.EAFNOSUPPORT)},
	{"chmod", "fchmodat", [6]uint64{3, 0, 0o755}, Allow},
	{"chmod setuid", "fchmodat", [6]uint64{3, 0, 0o4755}, Errno(unix.EPERM)},
	{"chmod setgid", "fchmod", [6]uint64{3, 0o2755}, Errno(unix.EPERM)},
	{"chmod sticky", "fchmod", [6]uint64{3, 0o1777}, Allow},
	{"chmod setuid by the newest call", "fchmodat2", [6]uint64{3, 0, 0o4755}, Errno(unix.EPERM)},
	{"create setuid", "openat", [6]uint64{3, 0, unix.O_CREAT | unix.O_WRONLY, 0o4755}, Errno(unix.EPERM)},
	{"nameless setuid", "openat", [6]uint64{3, 0, unix.O_TMPFILE | unix.O_WRONLY, 0o4755}, Errno(unix.EPERM)},
	{"open with rubbish for a mode", "openat", [6]uint64{3, 0, unix.O_RDONLY | unix.O_DIRECTORY, 0o7777}, Allow},
	{"setgid directory", "mkdirat", [6]uint64{3, 0, 0o2755}, Errno(unix.EPERM)},
	{"fifo", "mknodat", [6]uint64{3, 0, unix.S_IFIFO | 0o600}, Allow},
	{"plain file by mknod", "mknodat", [6]uint64{3, 0, 0o600}, Allow},
	{"setuid file by mknod", "mknodat", [6]uint64{3, 0, 0o104755}, Errno(unix.EPERM)},
	{"character device", "mknodat", [6]uint64{3, 0, unix.S_IFCHR | 0o600}, Errno(unix.EPERM)},
	{"block device", "mknodat", [6]uint64{3, 0, unix.S_IFBLK | 0o600}, Errno(unix.EPERM)},
	{"device with dirt above the mode", "mknodat", [6]uint64{3, 0, 1<<32 | unix.S_IFBLK}, Errno(unix.EPERM)},
	{"die with parent", "prctl", [6]uint64{unix.PR_SET_PDEATHSIG, 0}, Errno(unix.EPERM)},
	{"own filter", "prctl", [6]uint64{unix.PR_SET_SECCOMP, 2}, Errno(unix.EPERM)},
	{"own filter by its call", "seccomp", [6]uint64{1}, Errno(unix.EPERM)},
	{"thread name", "prctl", [6]uint64{unix.PR_SET_NAME}, Allow},
	{"option with dirt in the upper half", "prctl", [6]uint64{1<<32 | unix.PR_SET_MM}, Errno(unix.EPERM)},
	{"unknown option", "prctl", [6]uint64{9999}, Errno(unix.EINVAL)},
	{"asking for the personality", "personality", [6]uint64{0xffffffff}, Allow},
	{"executable data", "personality", [6]uint64{0x0400000}, Errno(unix.EPERM)},
	{"lease on a file", "fcntl", [6]uint64{3, 1024, 1}, Errno(unix.EPERM)},
	{"lock on a file", "fcntl", [6]uint64{3, 6}, Allow},
	{"own user id", "setresuid", [6]uint64{1, 1, 1}, Allow},
	{"message queue", "mq_open", [6]uint64{}, Allow},
	{"module", "finit_module", [6]uint64{}, Errno(unix.EPERM)},
	{"keys", "keyctl", [6]uint64{}, Errno(unix.EPERM)},
	{"mount listing of a new kind", "listns", [6]uint64{}, Errno(unix.ENOSYS)},
}

func TestDefault_decides(t *testing.T) { checkDecisions(t, Default(), defaultDecisions) }

func TestStrict_decides(t *testing.T) {
	checkDecisions(t, Strict(), []decision{
		{"read", "read", [6]uint64{}, Allow},
		{"clone3", "clone3", [6]uint64{}, Errno(unix.ENOSYS)},
		{"asking for a name service", "socket", [6]uint64{1, 1, 0}, Errno(unix.EAFNOSUPPORT)},
		{"tcp", "socket", [6]uint64{2, 1, 0}, KillProcess},
		{"pair of sockets", "socketpair", [6]uint64{1, 1, 0}, KillProcess},
		{"running a descriptor", "execveat", [6]uint64{}, KillProcess},
		{"ptrace", "ptrace", [6]uint64{}, KillProcess},
		{"io_uring", "io_uring_setup", [6]uint64{}, KillProcess},
		{"user namespace by clone", "clone", [6]uint64{0x10000011}, Errno(unix.EPERM)},
		{"create setuid", "openat", [6]uint64{3, 0, unix.O_CREAT, 0o4755}, Errno(unix.EPERM)},
		{"chmod", "fchmodat", [6]uint64{3, 0, 0o755}, KillProcess},
		{"anonymous file", "memfd_create", [6]uint64{}, Errno(unix.ENOSYS)},
	})
}

func checkDecisions(t *testing.T, f Filter, rows []decision) {
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			for _, a := range architectures {
				nr, ok := a.Numbers[row.call]
				if !ok {
					continue
				}
				got, _, err := simulate(compile(t, f, a), seccompData(a.Audit, nr, row.args))
				if err != nil || got != row.want.ret() {
					t.Errorf("%s: %s%#x = %v, %v, want %v", a.Name, row.call, row.args, Action(got), err, row.want)
				}
			}
		})
	}
}

func TestShippedFilters_haveNoUnreachableRule(t *testing.T) {
	for _, f := range []Filter{Default(), Strict()} {
		ended := map[string]bool{}
		for _, r := range f.Rules {
			if ended[r.Call] {
				t.Errorf("%s: the rule %s%s is never reached", f.Name, r.Call, r.conditions())
			}
			ended[r.Call] = ended[r.Call] || len(r.When) == 0
		}
		for _, r := range f.Rules {
			if !ended[r.Call] {
				t.Errorf("%s: %s has no last word", f.Name, r.Call)
			}
		}
	}
}

func TestNotifying_asksAboutEveryRefusalAndNothingElse(t *testing.T) {
	for _, f := range []Filter{Default(), Strict()} {
		n := f.Notifying()
		for i, r := range n.Rules {
			was := f.Rules[i].Then
			errno, refused := was.Errno()
			want := was
			if refused && errno != unix.ENOSYS {
				want = Notify
			}
			if r.Then != want {
				t.Errorf("%s %s: %v became %v, want %v", f.Name, r.Call, was, r.Then, want)
			}
		}
	}
	if got := Default().Rules[0].Then; got != Errno(unix.EPERM) {
		t.Errorf("Notifying changed the original: %v", got)
	}
}

func TestWith_comesFirst(t *testing.T) {
	f := Default().With(Rule{Call: "read", Then: Log})
	if got := f.Decide(AMD64, AMD64.Numbers["read"], [6]uint64{}); got != Log {
		t.Errorf("read = %v, want log", got)
	}
	if got := Default().Decide(AMD64, AMD64.Numbers["read"], [6]uint64{}); got != Allow {
		t.Errorf("the original's read = %v, want allow", got)
	}
}

// Leaves so long that branches cannot leap over them.
func TestCompile_reachesOverLongLeaves(t *testing.T) {
	f := Filter{Otherwise: Errno(unix.ENOSYS)}
	for name, nr := range AMD64.Numbers {
		if nr > 60 && nr%3 != 0 {
			continue
		}
		for i := range nr % 7 * 3 / 2 {
			f.Rules = append(f.Rules, when(name, Errno(syscall.Errno(1+i)), Is64(int(i%6), uint64(i)<<32|uint64(nr))))
		}
		f.Rules = append(f.Rules, when(name, []Action{Allow, Log, KillProcess, Errno(unix.EPERM)}[nr%4]))
	}
	prog := compile(t, f, AMD64)
	if len(prog) < 2000 {
		t.Fatalf("%d instructions are too few for this test", len(prog))
	}
	for nr := range uint32(600) {
		for i := range uint64(22) {
			var args [6]uint64
			args[i%6] = i<<32 | uint64(nr)
			agree(t, f, AMD64, prog, nr, args)
		}
	}
}

func TestZeroFilter_kills(t *testing.T) {
	prog := compile(t, Filter{}, AMD64)
	if got, _, _ := simulate(prog, seccompData(AMD64.Audit, 0, [6]uint64{})); got != killReturn {
		t.Errorf("read = %#x, want kill", got)
	}
}

func TestCheck_refusesWhatCannotBeMeant(t *testing.T) {
	rows := []struct {
		name string
		rule Rule
		want string
	}{
		{"unknown call", Rule{Call: "opnat", Then: Allow}, "no architecture"},
		{"seventh argument", Rule{Call: "read", When: []Cond{{Arg: 6}}, Then: Allow}, "argument 6"},
		{"value outside the mask", Rule{Call: "read", When: []Cond{{Value: 8, Mask: 7}}, Then: Allow}, "outside mask"},
		{"unknown comparison", Rule{Call: "read", When: []Cond{{Op: 9}}, Then: Allow}, "comparison"},
		{"unknown action", Rule{Call: "read", Then: 7}, "unknown action"},
		{"errno zero", Rule{Call: "read", Then: Errno(0)}, "unknown"},
		{"too many conditions", Rule{Call: "read", When: make([]Cond, 200), Then: Allow}, "too many"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			_, err := Filter{Rules: []Rule{row.rule}}.Compile(AMD64)
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("Compile = %v, want an error with %q", err, row.want)
			}
		})
	}
}

func TestErrno_roundTrips(t *testing.T) {
	for _, n := range []syscall.Errno{unix.EPERM, unix.ENOSYS, unix.EAFNOSUPPORT, maxErrno} {
		if got, ok := Errno(n).Errno(); !ok || got != n {
			t.Errorf("Errno(%d).Errno() = %d, %v", n, got, ok)
		}
	}
	if _, ok := Allow.Errno(); ok {
		t.Error("allow has an errno")
	}
}

func TestPrint_namesEveryCallOnce(t *testing.T) {
	for _, f := range []Filter{Default(), Strict()} {
		var b bytes.Buffer
		if err := f.Print(&b); err != nil {
			t.Fatal(err)
		}
		words := map[string]bool{}
		for _, w := range strings.FieldsFunc(b.String(), func(r rune) bool { return strings.ContainsRune(" \n[:", r) }) {
			words[w] = true
		}
		for _, r := range f.Rules {
			if !words[r.Call] {
				t.Errorf("%s: the listing lacks %s", f.Name, r.Call)
			}
		}
	}
}

// FuzzCompile builds filters from bytes and compares program and tables.
func FuzzCompile(f *testing.F) {
	f.Add([]byte("socket and open and more"), uint32(41), uint64(2), uint64(1), uint64(6))
	f.Add(bytes.Repeat([]byte{7, 0, 1, 200}, 60), uint32(1), uint64(1<<40), uint64(0), uint64(3))
	f.Fuzz(func(t *testing.T, recipe []byte, nr uint32, a0, a1, a2 uint64) {
		filter := fromBytes(recipe)
		for _, a := range architectures {
			prog, err := filter.Compile(a)
			if err != nil {
				t.Skip()
			}
			for _, args := range [][6]uint64{{a0, a1, a2}, {a2, a0, a1, a0, a1, a2}, {}} {
				agree(t, filter, a, prog, nr, args)
				agree(t, filter, a, prog, nr%512, args)
			}
		}
	})
}

// fromBytes reads rules of few calls, so that they meet often.
func fromBytes(b []byte) Filter {
	names := []string{"read", "write", "socket", "openat", "mmap", "clone", "ioctl", "unshare"}
	actions := []Action{Allow, KillProcess, Notify, Log, Errno(unix.EPERM), Errno(unix.ENOSYS)}
	f := Filter{Otherwise: actions[len(b)%len(actions)]}
	for ; len(b) >= 4; b = b[4:] {
		r := Rule{Call: names[b[0]%8], Then: actions[int(b[1])%len(actions)]}
		for i := range int(b[2] % 4) {
			mask := []uint64{0, low32, 0xf, 0xf << 32, 1<<33 | 6}[int(b[3])%5]
			c := Cond{Arg: (int(b[0]) + i) % 6, Op: Op(b[3] >> 7), Mask: mask}
			c.Value = uint64(b[3]) * 0x100000001 & c.mask()
			r.When = append(r.When, c)
		}
		f.Rules = append(f.Rules, r)
	}
	return f
}
