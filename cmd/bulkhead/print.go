package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"unicode"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// printable makes text safe for a terminal: whatever could move the cursor,
// change colours, write the clipboard or turn the direction of writing is
// shown as an escape. Line ends and tabs stay.
func printable(s string) string {
	if !strings.ContainsFunc(s, unsafeRune) && strings.ToValidUTF8(s, "") == s {
		return s
	}

	var b strings.Builder
	for i, r := range s {
		switch {
		case r == unicode.ReplacementChar && !strings.HasPrefix(s[i:], "\uFFFD"):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case !unsafeRune(r):
			b.WriteRune(r)
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// unsafeRune reports whether a terminal may do more with r than show it.
func unsafeRune(r rune) bool {
	return r != '\n' && r != '\t' && !unicode.IsPrint(r)
}

// oneLine is printable text without line ends and tabs, for tables.
func oneLine(s string) string {
	return strings.NewReplacer("\n", `\n`, "\t", " ").Replace(printable(s))
}

// say prints a line for people on stdout.
func (p program) say(format string, args ...any) error {
	_, err := fmt.Fprintln(p.out, printable(fmt.Sprintf(format, args...)))
	return outputError(err)
}

// complain prints on stderr, every line marked as ours.
func (p program) complain(format string, args ...any) {
	text := printable(strings.TrimRight(fmt.Sprintf(format, args...), "\n"))
	fmt.Fprintln(p.err, "bulkhead: "+strings.ReplaceAll(text, "\n", "\nbulkhead: "))
}

// outputError is nil when the reader of our output left: that is its right.
func outputError(err error) error {
	if err == nil || errors.Is(err, unix.EPIPE) {
		return nil
	}
	return fault.Newf(fault.Unavailable, "write output: %w", err)
}

// terminal returns the terminal behind a stream; nil when there is none.
func terminal(stream any) *os.File {
	f, ok := stream.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return f
}

// print prints text for people on stdout as it is.
func (p program) print(text string) error {
	_, err := fmt.Fprint(p.out, printable(text))
	return outputError(err)
}
