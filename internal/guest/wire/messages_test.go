//go:build linux

package wire

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// samples has a filled message of every type, and its form on the wire: a
// change of one is a new Version.
var samples = []struct {
	full  Message
	empty func() Message
	wire  string // hexadecimal
}{
	{&Hello{Magic, Version, true, [2]uint64{1, 2}}, func() Message { return new(Hello) }, "424b48440100010100000000000000" + "0200000000000000"},
	{
		&Exec{Args: []string{"a", "b"}, Env: []string{"C=d"}, Dir: "/", Timeout: 1, Grace: 2, Filter: make([]byte, 8), Stdio: 7, Rows: 24, Cols: 80, Quiet: true}, func() Message { return new(Exec) },
		"02000000" + "0100000061" + "0100000062" + "01000000" + "03000000433d64" + "010000002f" + "0100000000000000" + "0200000000000000" + "080000000000000000000000" + "07" + "00" + "1800" + "5000" + "01",
	},
	{&Started{7}, func() Message { return new(Started) }, "07000000"},
	{
		&Exited{PID: 9, Code: 3, Signal: 9, TimedOut: true, NotFound: true, Errno: 2, User: 1, System: 2, MaxRSS: 3}, func() Message { return new(Exited) },
		"09000000" + "03" + "09" + "01" + "01" + "0200" + "0100000000000000" + "0200000000000000" + "0300000000000000",
	},
	{&Signal{5, 15}, func() Message { return new(Signal) }, "05000000000000000f"},
	{&Resize{5, 24, 80}, func() Message { return new(Resize) }, "050000000000000018005000"},
	{
		&Processes{[]Process{{PID: 2, Parent: 1, Group: 2, Session: 2, Exec: 5, Start: 100, State: 'S', User: 1, System: 2, RSS: 3, Args: []string{"x"}}}}, func() Message { return new(Processes) },
		"01000000" + "02000000" + "01000000" + "02000000" + "02000000" + "0500000000000000" + "6400000000000000" + "53" + "0100000000000000" + "0200000000000000" + "0300000000000000" + "01000000" + "0100000078",
	},
	{&Kill{2, 100, 9}, func() Message { return new(Kill) }, "02000000640000000000000009"},
	{
		&Metrics{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, func() Message { return new(Metrics) },
		"01000000" + "02000000" + "0300000000000000" + "0400000000000000" + "0500000000000000" + "0600000000000000" + "0700000000000000" + "0800000000000000" + "09000000" + "0a00000000000000",
	},
	{&Path{"/x", true, true}, func() Message { return new(Path) }, "020000002f780101"},
	{
		&Info{"x", 0o100644, 5, -1, 1000, 1000, "t"}, func() Message { return new(Info) },
		"0100000078" + "a4810000" + "0500000000000000" + "ffffffffffffffff" + "e8030000" + "e8030000" + "0100000074",
	},
	{&Infos{[]Info{{Name: "x"}}}, func() Message { return new(Infos) }, "01000000" + "0100000078" + "00000000" + "0000000000000000" + "0000000000000000" + "00000000" + "00000000" + "00000000"},
	{&Mkdir{"x", 0o755, true}, func() Message { return new(Mkdir) }, "0100000078ed01000001"},
	{&Rename{"x", "y", true}, func() Message { return new(Rename) }, "0100000078010000007901"},
	{&Read{"x", 1, 2}, func() Message { return new(Read) }, "010000007801000000000000000200000000000000"},
	{&Write{"x", 0o600, true, false, true, true}, func() Message { return new(Write) }, "01000000788001000001000101"},
	{&Count{7}, func() Message { return new(Count) }, "0700000000000000"},
	{&Watch{"x", true}, func() Message { return new(Watch) }, "010000007801"},
	{&Events{[]Event{{"x", Created}}}, func() Message { return new(Events) }, "01000000010000007801"},
	{&Tree{"x", 1, 2, true}, func() Message { return new(Tree) }, "01000000780100000000000000020000000000000001"},
	{&TreeSum{1, 2, 3}, func() Message { return new(TreeSum) }, "010000000000000002000000000000000300000000000000"},
	{&Dial{8080}, func() Message { return new(Dial) }, "901f"},
	{&Shutdown{5}, func() Message { return new(Shutdown) }, "0500000000000000"},
	{&Fail{2, WherePath}, func() Message { return new(Fail) }, "020002"},
	{&Empty{}, func() Message { return new(Empty) }, ""},
}

func TestMessages_keepTheirForm(t *testing.T) {
	for _, s := range samples {
		name := fmt.Sprintf("%T", s.full)
		b, err := Encode(nil, s.full)
		if err != nil {
			t.Errorf("%s: Encode: %v", name, err)
			continue
		}
		if got := hex.EncodeToString(b); got != s.wire {
			t.Errorf("%s on the wire:\n%s, want\n%s", name, got, s.wire)
		}
		back := s.empty()
		if err := Parse(b, back); err != nil {
			t.Errorf("%s: Parse: %v", name, err)
		} else if diff := cmp.Diff(s.full, back); diff != "" {
			t.Errorf("%s came back another:\n%s", name, diff)
		}
	}
}

func TestParse_refusesEveryPrefixAndSuffix(t *testing.T) {
	for _, s := range samples {
		b, _ := Encode(nil, s.full)
		for n := range b {
			if err := Parse(b[:n], s.empty()); fault.KindOf(err) != fault.Corrupt {
				t.Errorf("%T cut to %d of %d bytes: %v, want corrupt", s.full, n, len(b), err)
			}
		}
		if err := Parse(append(b, 0), s.empty()); fault.KindOf(err) != fault.Corrupt {
			t.Errorf("%T with a byte too many: %v, want corrupt", s.full, err)
		}
	}
}

// count is a length field.
func count(n uint32) []byte { return []byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)} }

func TestParse_refusesWhatMustNotBe(t *testing.T) {
	exited, _ := Encode(nil, &Exited{})
	exited[5] = 65 // the signal
	exec := func(change func(*Exec)) []byte {
		m := &Exec{Args: []string{"a"}}
		change(m)
		b, _ := Encode(nil, m)
		return b
	}
	for _, row := range []struct {
		name string
		b    []byte
		m    Message
	}{
		{"a name longer than a name", append(count(256), make([]byte, 300)...), new(Info)},
		{"a string of 4 GiB", count(1<<32 - 1), new(Watch)},
		{"a string with a NUL byte", append(count(1), 0, 0), new(Watch)},
		{"a truth value of 2", append(count(0), 2), new(Watch)},
		{"a count below zero", bytes.Repeat([]byte{0xff}, 8), new(Count)},
		{"more items than bytes", append(count(1000), make([]byte, 100)...), new(Infos)},
		{"more events than bytes", append(count(50000), make([]byte, 100)...), new(Events)},
		{"a list of 4 GiB", count(1<<32 - 1), new(Processes)},
		{"a signal that is none", exited, new(Exited)},
		{"a command without a name", exec(func(m *Exec) { m.Args = nil }), new(Exec)},
		{"half an instruction", exec(func(m *Exec) { m.Filter = make([]byte, 9) }), new(Exec)},
		{"a filter beyond the kernel's limit", exec(func(m *Exec) { m.Filter = make([]byte, MaxFilter+8) }), new(Exec)},
		{"a quiet terminal", exec(func(m *Exec) { m.PTY, m.Quiet = true, true }), new(Exec)},
		{"an errno that is none", []byte{0xff, 0xff, 0}, new(Fail)},
		{"a place that is none", []byte{1, 0, 200}, new(Fail)},
	} {
		if err := Parse(row.b, row.m); fault.KindOf(err) != fault.Corrupt {
			t.Errorf("%s: %v, want corrupt", row.name, err)
		}
	}
}

func TestEncode_refusesWhatTheOtherEndWould(t *testing.T) {
	for _, m := range []Message{
		&Path{Path: strings.Repeat("x", MaxPath+1)},
		&Path{Path: "a\x00b"},
		&Exec{},
		&Exec{Args: []string{strings.Repeat("x", MaxArg+1)}},
		&Count{-1},
	} {
		if _, err := Encode(nil, m); fault.KindOf(err) != fault.Corrupt {
			t.Errorf("%T: %v, want corrupt", m, err)
		}
	}
}

func TestHello_refusesOtherPeers(t *testing.T) {
	if err := (&Hello{Magic: Magic, Version: Version}).Check(); err != nil {
		t.Errorf("Check = %v", err)
	}
	for _, h := range []Hello{{}, {Magic: Magic, Version: Version + 1}, {Magic: 1, Version: Version}} {
		if err := h.Check(); fault.KindOf(err) != fault.Corrupt {
			t.Errorf("%+v: %v, want corrupt", h, err)
		}
	}
}

func TestWhere_hasAWordForEachPlace(t *testing.T) {
	for w := Where(0); w < whereEnd; w++ {
		if w.String() == "" {
			t.Errorf("place %d has no word", w)
		}
	}
	if got := Where(200).String(); got != "unknown" {
		t.Errorf("place 200 = %q", got)
	}
}

// FuzzParse feeds every message's parser. What it takes must be what it would
// send.
func FuzzParse(f *testing.F) {
	for i, s := range samples {
		b, _ := Encode(nil, s.full)
		f.Add(uint8(i), b)
	}
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		s := samples[int(which)%len(samples)]
		m := s.empty()
		if Parse(b, m) != nil {
			return
		}
		back, err := Encode(nil, m)
		if err != nil || !bytes.Equal(back, b) {
			t.Errorf("%T: parsed %x, sends %x, %v", m, b, back, err)
		}
	})
}
