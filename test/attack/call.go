//go:build linux

package attack

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// call is one system call of a victim: see victim/calls.go for the words.
type call struct {
	Nr   uintptr  `json:"nr"`
	Args []string `json:"args"`
}

type (
	buf   int // so many bytes for the kernel to write to; what it wrote comes back
	dump  int // the same; all of it comes back
	ref   int // what an earlier call returned
	bytes []byte
)

// sys is a call. An argument is a number, a string, bytes, a buf or a ref.
func sys(nr uintptr, args ...any) call {
	c := call{Nr: nr, Args: []string{}}
	for _, a := range args {
		c.Args = append(c.Args, word(a))
	}
	return c
}

func word(a any) string {
	switch a := a.(type) {
	case string:
		return "'" + a
	case bytes:
		return "x'" + hex.EncodeToString(a)
	case buf:
		return fmt.Sprintf("@%d", int(a))
	case dump:
		return fmt.Sprintf("#%d", int(a))
	case ref:
		return fmt.Sprintf("$%d", int(a))
	default:
		return fmt.Sprintf("%d", a) // a signal prints its name otherwise
	}
}

func encode(list []call) string {
	b, err := json.Marshal(list)
	if err != nil {
		panic(err) // a row of this package
	}
	return string(b)
}

// answer is what the kernel said to one call of a victim.
type answer struct {
	Nr    uintptr    `json:"nr"`
	Ret   int64      `json:"ret"`
	Errno unix.Errno `json:"errno"`
	Data  string     `json:"data"`
}

// answers reads the victim's line. A victim that was killed said nothing.
func answers(out []byte) []answer {
	var line struct {
		Calls []answer `json:"calls"`
	}
	_ = json.Unmarshal(out, &line)
	return line.Calls
}

// told is a verdict by what a victim was told: only ever used for "it worked",
// or for calls whose effect the host cannot see.
func told(as []answer, ok bool) verdict {
	var words []string
	for _, a := range as {
		text := fmt.Sprintf("call %d: %d", a.Nr, a.Ret)
		if a.Errno != 0 {
			text = fmt.Sprintf("call %d: %v", a.Nr, a.Errno)
		}
		words = append(words, text)
	}
	return verdict{ok, strings.Join(words, ", ")}
}

// all tries a list of calls that must all work.
func all(list ...call) func(*cell) verdict {
	return func(c *cell) verdict { return c.all(list...) }
}

// anyOf tries a list of calls of which one must work.
func anyOf(list ...call) func(*cell) verdict {
	return func(c *cell) verdict {
		as := c.calls(list...)
		return told(as, slices.ContainsFunc(as, func(a answer) bool { return a.Errno == 0 }))
	}
}

// reaches tries a call that would do harm if it worked. It is made with
// arguments that the kernel refuses, and these answers of the kernel show that
// nothing stood before it.
func reaches(c1 call, answers ...unix.Errno) func(*cell) verdict {
	return func(c *cell) verdict {
		as := c.calls(c1)
		c.reached = len(as) == 1 && as[0].Errno != 0 && slices.Contains(answers, as[0].Errno)
		return told(as, len(as) == 1 && slices.Contains(answers, as[0].Errno))
	}
}
