package escape

import (
	"bytes"
	"slices"
	"strings"
)

// refusedEscapes are short sequences that are dropped.
var refusedEscapes = []string{
	"Z",        // who are you: the terminal answers
	"%@",       // leave UTF-8: parts of characters would become controls
	" F", " G", // controls of seven or eight bits in answers
}

// rule drops control sequences: with this private mark, intermediate and final
// byte. An empty mark or intermediate means none.
type rule struct{ mark, middle, final string }

// refused are the control sequences to which a terminal answers, which print,
// or which change how it reads what comes. The answer would be typed into the
// sandbox, or, when that is gone, into the user's own shell.
var refused = []rule{
	{"", "", "n"}, {"?", "", "n"}, // status, position of the cursor
	{"", "", "c"}, {">", "", "c"}, {"=", "", "c"}, // what are you
	{"", "", "x"},                   // its parameters
	{"", "$", "p"}, {"?", "$", "p"}, // is a mode on
	{"", "*", "y"}, {"?", "*", "y"}, // a checksum of the screen
	{"", "$", "w"}, {"", "$", "u"}, {"", "&", "w"}, // states of the screen
	{"", "'", "w"}, {"", "'", "z"}, {"", "'", "{"}, {"", "'", "|"}, // a locator
	{"?", "", "u"},                 // the keyboard's protocol
	{">", "", "q"},                 // its version
	{"?", "", "S"}, {"?", "", "m"}, // graphics, keys
	{"", "#", "|"}, {"", "#", "R"}, {"", "#", "S"}, // colours
	{"", "", "i"}, {"?", "", "i"}, // print
}

// windowOps are the only operations on the window that pass: put the title on
// a stack, and take it back. Others move it, or tell its title.
var windowOps = []string{"22", "23"}

// mayControl decides on a control sequence, without its introducer.
func (w *Writer) mayControl(seq []byte) bool {
	mark, params, middle, final := parts(string(seq))
	switch {
	case slices.Contains(refused, rule{mark, middle, final}):
		return false
	case final == "t" && middle == "":
		first, _, _ := strings.Cut(params, ";")
		return mark == "" && slices.Contains(windowOps, first)
	case mark == "?" && (final == "h" || final == "l"):
		if slices.Contains(splitParams(params), "2") { // VT52: another grammar
			return false
		}
		w.note(params, final == "h")
	}
	return true
}

// parts takes a control sequence apart.
func parts(seq string) (mark, params, middle, final string) {
	seq, final = seq[:len(seq)-1], seq[len(seq)-1:]
	if seq != "" && seq[0] >= '<' && seq[0] <= '?' {
		mark, seq = seq[:1], seq[1:]
	}
	end := strings.IndexFunc(seq, func(r rune) bool { return r < '0' })
	if end < 0 {
		return mark, seq, "", final
	}
	return mark, seq[:end], seq[end:], final
}

func splitParams(params string) []string {
	list := strings.FieldsFunc(params, func(r rune) bool { return r == ';' || r == ':' })
	for i, p := range list {
		if p = strings.TrimLeft(p, "0"); p == "" {
			p = "0"
		}
		list[i] = p
	}
	return list
}

// commands are the commands to the system (OSC) that pass, and what their text
// must be like.
var commands = []struct {
	first, last int
	may         func(text string) bool
}{
	{0, 2, anyText},      // titles
	{4, 5, noQuestion},   // the palette
	{8, 8, linkToTheWeb}, // hyperlinks
	{10, 19, noQuestion}, // colours
	{104, 105, anyText},  // the palette as it was
	{110, 119, anyText},  // colours as they were
	{133, 133, anyText},  // where prompts and output begin
}

func anyText(string) bool { return true }

func noQuestion(text string) bool { return !strings.Contains(text, "?") }

// linkToTheWeb allows links that a browser opens, and their end.
func linkToTheWeb(text string) bool {
	_, url, ok := strings.Cut(text, ";")
	return ok && (url == "" || strings.HasPrefix(url, "https://") || strings.HasPrefix(url, "http://"))
}

// mayCommand decides on the text of a command to the system.
func mayCommand(text []byte) bool {
	if bytes.ContainsFunc(text, func(r rune) bool { return r < 0x20 || r >= del && r < 0xa0 || r == 0xfffd }) {
		return false
	}
	id, rest, _ := strings.Cut(string(text), ";")
	n := number(id)
	for _, c := range commands {
		if n >= c.first && n <= c.last {
			return c.may(rest)
		}
	}
	return false
}
