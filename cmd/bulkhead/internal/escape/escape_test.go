package escape

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func filter(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := NewWriter(&b)
	if n, err := w.Write([]byte(text)); n != len(text) || err != nil {
		t.Fatalf("Write = %d, %v", n, err)
	}
	return b.String()
}

func TestWriter_passesWhatProgramsNeed(t *testing.T) {
	for name, text := range map[string]string{
		"text":                  "hello, wörld – ě 你好 🙂\r\n\ttab\b\a",
		"colours":               "\x1b[1;31mred\x1b[0m \x1b[38;2;1;2;3mrgb\x1b[m \x1b[38:5:3mpalette",
		"moves":                 "\x1b[2J\x1b[H\x1b[10;20H\x1b[K\x1b[3A\x1b7\x1b8\x1bM\x1b[?25l\x1b[?25h",
		"the alternate screen":  "\x1b[?1049h\x1b[?1049l",
		"keys":                  "\x1b[?1h\x1b=\x1b>\x1b[>4;2m\x1b[>1u\x1b[<u",
		"character sets":        "\x1b(B\x1b(0lqk\x1b(B\x1b%G",
		"a title":               "\x1b]0;title\a\x1b]2;title\x1b\\\x1b[22;0t\x1b[23;0t",
		"the palette":           "\x1b]4;1;rgb:ff/00/00\x1b\\\x1b]104\a\x1b]11;#000000\a\x1b]111\a",
		"a link":                "\x1b]8;id=1;https://example.org/?q=1\x1b\\link\x1b]8;;\x1b\\",
		"a reset":               "\x1bc\x1b[!p\x1b[r",
		"bracketed paste":       "\x1b[?2004h\x1b[?2004l",
		"the shape of a cursor": "\x1b[2 q\x1b[?0c",
	} {
		if got := filter(t, text); got != text {
			t.Errorf("%s: %q, want %q", name, got, text)
		}
	}
}

func TestWriter_dropsWhatReachesFurther(t *testing.T) {
	for name, text := range map[string]string{
		"write the clipboard":               "\x1b]52;c;aGVsbG8=\a",
		"write it, ended otherwise":         "\x1b]52;c;aGVsbG8=\x1b\\",
		"write it with zeros":               "\x1b]0052;c;aGVsbG8=\a",
		"write it with eight bits":          "\u009d52;c;aGVsbG8=\u009c\a",
		"read the clipboard":                "\x1b]52;c;?\a",
		"the cursor's position":             "\x1b[6n",
		"the same, as a private one":        "\x1b[?6n",
		"the same, with eight bits":         "\u009b6n",
		"attributes":                        "\x1b[c\x1b[0c\x1b[>c\x1b[=c\x1bZ\u009a",
		"the version":                       "\x1b[>q\x1b[>0q",
		"the title":                         "\x1b[21t\x1b[20t",
		"the window":                        "\x1b[14t\x1b[18t\x1b[3;0;0t\x1b[2t\x1b[>2t",
		"a colour":                          "\x1b]11;?\a\x1b]4;1;?\x1b\\\x1b]10;?;?\a",
		"a mode":                            "\x1b[?2026$p\x1b[4$p",
		"a checksum of the screen":          "\x1b[1;1;1;1;1;1*y",
		"a setting":                         "\x1bP$qm\x1b\\",
		"a capability":                      "\x1bP+q544e\x1b\\",
		"macros and keys":                   "\x1bP1;1|17/0a\x1b\\\x1bP0;0;0!zab\x1b\\",
		"pictures from files":               "\x1b_Ga=T,t=f;L2V0Yy9wYXNzd2Q=\x1b\\",
		"a file":                            "\x1b]1337;File=name=eA==:eA==\a",
		"a copy":                            "\x1b]1337;Copy=:eA==\a\x1b]1337;CopyToClipboard=\aabc\x1b]1337;EndCopy\a",
		"a link to a file":                  "\x1b]8;;file:///etc/passwd\a",
		"a notice":                          "\x1b]9;text\a\x1b]777;notify;a;b\a",
		"print":                             "\x1b[5i\x1b[4i\x1b[?5i\x1b[i",
		"answer back":                       "\x05",
		"another grammar":                   "\x1b[?2l\x1b[?1;2l",
		"another character set":             "\x1b%@",
		"a control in a title":              "\x1b]0;a\nb\a",
		"a sequence without an end":         "\x1b]0;" + strings.Repeat("x", 2*maxSequence) + "\a",
		"a control sequence without end":    "\x1b[" + strings.Repeat("1;", maxSequence) + "m",
		"a sequence in pieces of others":    "\x1b[\x1b]52;c;eA==\a",
		"a string that a string breaks off": "\x1b]0;x\x1b]52;c;eA==\a",
	} {
		got := filter(t, text)
		if name == "a copy" {
			got = strings.Replace(got, "abc", "", 1)
		}
		if got != "" {
			t.Errorf("%s: %q passes as %q", name, text, got)
		}
		if after := filter(t, text+"\x18text"); !strings.HasSuffix(after, "text") {
			t.Errorf("%s: what follows is lost: %q", name, after)
		}
	}
}

func TestWriter_showsThatSomethingWasBroken(t *testing.T) {
	for text, want := range map[string]string{
		"a\xffb":              "a\ufffdb",
		"a\x9b6n":             "a\ufffd6n", // CSI of eight bits
		"\xc3(":               "\ufffd(",
		"\xe2\x82x":           "\ufffdx",
		"\xc0\x9b6n":          "\ufffd\ufffd6n", // ESC in two bytes
		"\xe0\x80\x9b[6n":     "\ufffd[6n",
		"\xed\xa0\x80":        "\ufffd",
		"\xc2\x1b[31m":        "\x1b[31m",
		"\xf0\x9f\x1b]52;a\a": "",
	} {
		if got := filter(t, text); got != want && got != "\ufffd"+want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestWriter_takesSequencesInPieces(t *testing.T) {
	text := "a\x1b[31mb\x1b]52;c;eA==\x1b\\c\x1b]0;title\ad\u009b6ne\u00e9\x1b[6nf"
	want := filter(t, text)
	for size := 1; size < len(text); size++ {
		var b bytes.Buffer
		w := NewWriter(&b)
		for rest := text; rest != ""; {
			n := min(size, len(rest))
			_, _ = w.Write([]byte(rest[:n]))
			rest = rest[n:]
		}
		if b.String() != want {
			t.Errorf("in pieces of %d: %q, want %q", size, b.String(), want)
		}
	}
}

func TestReset_takesBackWhatWasLeftOn(t *testing.T) {
	w := NewWriter(new(bytes.Buffer))
	_, _ = w.Write([]byte("\x1b[?1000;1006h\x1b[?1049h\x1b[?2004h\x1b[?01004h\x1b[?2004l\x1b[?7h"))
	if got, want := w.Reset(), "\x1b[0m\x1b[?1000l\x1b[?1006l\x1b[?1049l\x1b[?1004l\x1b[?25h"; got != want {
		t.Errorf("Reset = %q, want %q", got, want)
	}
	if got := w.Reset(); got != "\x1b[0m\x1b[?25h" {
		t.Errorf("second Reset = %q", got)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.ErrUnsupported }

func TestWriter_tellsTheTerminalsError(t *testing.T) {
	if _, err := NewWriter(broken{}).Write([]byte("x")); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Write = %v", err)
	}
}

// What passed passes again, however it is cut into pieces: nothing that was
// dropped leaves parts that mean something together.
func FuzzWriter(f *testing.F) {
	for _, seed := range []string{"\x1b]52;c;eA==\a", "\x1b[6\x1b[n", "\u009b6n", "\x1b]0;x\x1b\\", "\x1bP$qm\x1b\\", "\xc2\x1b[c", "\x1b[?1049h", "\x1b]8;;http://x\a", "\x1b[\x056n", "\x1b[6\n\nn"} {
		f.Add([]byte(seed), byte(3))
	}
	f.Fuzz(func(t *testing.T, text []byte, size byte) {
		once := filter(t, string(text))
		if again := filter(t, once); again != once {
			t.Errorf("%q passes as %q, and that as %q", text, once, again)
		}
		var b bytes.Buffer
		w := NewWriter(&b)
		for rest := text; len(rest) > 0; {
			n := min(max(int(size), 1), len(rest))
			_, _ = w.Write(rest[:n])
			rest = rest[n:]
		}
		if b.String() != once {
			t.Errorf("in pieces: %q, want %q", b.String(), once)
		}
		for _, bad := range []string{"\x1b]52", "\x1b[6n", "\x1b[c", "\x1b[21t", "\x1bP", "\x1b_", "\x05", "\u009b", "\u009d"} {
			if strings.Contains(once, bad) {
				t.Errorf("%q passes as %q", text, once)
			}
		}
	})
}
