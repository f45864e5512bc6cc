// Package escape passes what a sandbox prints on to the user's terminal
// without the sequences with which it could reach further than the screen:
// those that write or read the clipboard, that make the terminal answer as if
// the user had typed, that print, and that open or fetch files.
//
// What is left still colours, moves the cursor, sets titles and uses the
// alternate screen: programs on the terminal work.
package escape

import (
	"io"
	"slices"
	"strconv"
	"unicode/utf8"
)

// Writer filters what is written to it. A sequence may come in pieces.
type Writer struct {
	to    io.Writer
	out   []byte // of this Write
	state func(*Writer, byte)
	held  []byte // the sequence so far, from its ESC
	drop  bool   // the sequence is dropped: nothing is held
	char  []byte // of a character that is not whole yet
	modes []string
}

// NewWriter returns a filter in front of a terminal.
func NewWriter(to io.Writer) *Writer { return &Writer{to: to, state: (*Writer).ground} }

// Write filters p. It returns len(p), or the error of the terminal.
func (w *Writer) Write(p []byte) (int, error) {
	w.out = w.out[:0]
	for _, b := range p {
		w.state(w, b)
	}
	if len(w.out) == 0 {
		return len(p), nil
	}
	if _, err := w.to.Write(w.out); err != nil {
		return 0, err
	}
	return len(p), nil
}

// The bytes that the grammar turns on; see ECMA-48.
const (
	enq = 0x05
	bel = 0x07
	can = 0x18
	sub = 0x1a
	esc = 0x1b
	del = 0x7f
)

// maxSequence is how long a sequence may be that is passed on, in bytes.
const maxSequence = 4096

// ground is outside of sequences.
func (w *Writer) ground(b byte) {
	if len(w.char) > 0 && w.continues(b) {
		return
	}
	switch {
	case b == esc:
		w.begin(b)
	case b < 0x80:
		w.plain(b)
	case length(b) == 0: // maybe a control, for a terminal that does not read UTF-8
		w.broken()
	default:
		w.char = append(w.char, b)
	}
}

// continues takes a byte that goes on with a character. When it does not, what
// there was of the character is broken.
func (w *Writer) continues(b byte) bool {
	if b&0xc0 != 0x80 {
		w.broken()
		return false
	}
	if w.char = append(w.char, b); len(w.char) < length(w.char[0]) {
		return true
	}
	r, n := utf8.DecodeRune(w.char)
	switch {
	case n != len(w.char): // the long form of a shorter character, or none
		w.broken()
	case r < 0xa0: // a control of eight bits
		w.begin(esc)
		w.afterEsc(byte(r) - 0x40)
	default:
		w.out = append(w.out, w.char...)
		w.char = w.char[:0]
	}
	return true
}

// broken shows that there was something that is no character.
func (w *Writer) broken() {
	w.char = w.char[:0]
	w.out = utf8.AppendRune(w.out, utf8.RuneError)
}

// length is how many bytes a character has that begins with b; 0: none does.
func length(b byte) int {
	switch {
	case b >= 0xc2 && b < 0xe0:
		return 2
	case b >= 0xe0 && b < 0xf0:
		return 3
	case b >= 0xf0 && b < 0xf5:
		return 4
	}
	return 0
}

// begin begins a sequence.
func (w *Writer) begin(b byte) {
	w.held, w.drop, w.char = append(w.held[:0], b), false, w.char[:0]
	w.state = (*Writer).afterEsc
}

// hold keeps a byte of the sequence.
func (w *Writer) hold(b byte) {
	if len(w.held) >= maxSequence {
		w.drop = true
	}
	if !w.drop {
		w.held = append(w.held, b)
	}
}

// end ends the sequence and passes it on, if it may.
func (w *Writer) end(allowed bool) {
	if allowed && !w.drop {
		w.out = append(w.out, w.held...)
	}
	w.held = w.held[:0]
	w.state = (*Writer).ground
}

// afterEsc is after the first byte of a sequence.
func (w *Writer) afterEsc(b byte) {
	switch {
	case w.aborted(b):
	case b == '[':
		w.hold(b)
		w.state = (*Writer).csi
	case b == ']' || b == 'P' || b == '_' || b == '^' || b == 'X':
		w.hold(b)
		w.drop = b != ']' // only commands to the system (OSC) have some that pass
		w.state = (*Writer).text
	case b >= 0x20 && b < 0x30: // an intermediate
		w.hold(b)
	case b < 0x20:
		w.plain(b) // the terminal acts on it in the middle
	default:
		w.hold(b)
		w.end(!w.drop && b < del && !slices.Contains(refusedEscapes, string(w.held[1:])))
	}
}

// aborted ends a sequence that another one, or a cancel, breaks off.
func (w *Writer) aborted(b byte) bool {
	switch b {
	case esc:
		w.begin(b)
	case can, sub:
		w.end(false)
	default:
		return false
	}
	return true
}

// csi is inside of a control sequence.
func (w *Writer) csi(b byte) {
	switch {
	case w.aborted(b):
	case b >= 0x40 && b < del:
		w.hold(b)
		w.end(!w.drop && w.mayControl(w.held[2:]))
	case b >= 0x20 && b < 0x40:
		w.hold(b)
	case b >= del: // no terminal should take it
		w.drop = true
	default:
		w.plain(b)
	}
}

// plain passes on a character or a control of seven bits. To one of them the
// terminal would answer.
func (w *Writer) plain(b byte) {
	if b != enq {
		w.out = append(w.out, b)
	}
}

// text is inside of a string.
func (w *Writer) text(b byte) {
	switch {
	case b == esc:
		w.state = (*Writer).textEsc
	case b == bel:
		w.hold(b)
		w.end(!w.drop && mayCommand(w.held[2:len(w.held)-1]))
	case b == can || b == sub:
		w.end(false)
	default:
		w.hold(b)
	}
}

// textEsc is after an ESC in a string: a backslash ends it, anything else
// breaks it off.
func (w *Writer) textEsc(b byte) {
	if b != '\\' {
		w.begin(esc)
		w.afterEsc(b)
		return
	}
	w.hold(esc)
	w.hold(b)
	w.end(!w.drop && mayCommand(w.held[2:len(w.held)-2]))
}

// Reset returns what takes the terminal back from modes that the sandbox has
// left it in, so that the user's own shell finds it usable.
func (w *Writer) Reset() string {
	reset := "\x1b[0m"
	for _, m := range w.modes {
		reset += "\x1b[?" + m + "l"
	}
	w.modes = nil
	return reset + "\x1b[?25h"
}

// note remembers which modes are on that a shell suffers from.
func (w *Writer) note(params string, on bool) {
	for _, mode := range splitParams(params) {
		if !slices.Contains(sticky, mode) {
			continue
		}
		w.modes = slices.DeleteFunc(w.modes, func(m string) bool { return m == mode })
		if on {
			w.modes = append(w.modes, mode)
		}
	}
}

// sticky are the private modes that Reset takes back: mouse, focus and paste
// reports, and the alternate screen.
var sticky = []string{"9", "47", "1000", "1001", "1002", "1003", "1004", "1005", "1006", "1015", "1016", "1047", "1049", "2004"}

// number reads a parameter; -1: it is none.
func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return -1
	}
	return n
}
