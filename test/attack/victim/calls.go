//go:build linux

package victim

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"unsafe"
)

// request is one system call: its number, and its arguments in words:
//
//	12, -1, 0x10   a number
//	'text          the address of a C string
//	x'00ff         the address of these bytes
//	@64            the address of 64 bytes of zero; what the call writes there comes back as data
//	#64            like @64, but all of it comes back, in hexadecimal digits
//	$2             what call 2 of the list returned
type request struct {
	Nr   uintptr  `json:"nr"`
	Args []string `json:"args"`
}

// answer is what the kernel said.
type answer struct {
	Nr    uintptr `json:"nr"`
	Ret   int64   `json:"ret"`
	Errno int     `json:"errno"`
	Data  string  `json:"data,omitempty"`
}

// calls makes a list of system calls in order, on this thread. A refused call
// does not stop the list.
func calls(args []string) any {
	var list []request
	if err := json.Unmarshal([]byte(args[0]), &list); err != nil {
		return counted("read the list", 0, err)
	}
	answers := []answer{}
	for _, r := range list {
		answers = append(answers, r.make(answers))
	}
	return map[string]any{"tried": "calls", "calls": answers}
}

func (r request) make(before []answer) answer {
	var words [6]uintptr
	var keep [][]byte
	var out []byte
	var whole bool
	for i, text := range r.Args {
		b, word, err := argument(text, before)
		if err != nil {
			return answer{Nr: r.Nr, Ret: -1, Errno: int(syscall.EDOM), Data: err.Error()}
		}
		if b != nil {
			keep = append(keep, b)
			word = uintptr(unsafe.Pointer(unsafe.SliceData(b)))
		}
		if strings.HasPrefix(text, "@") || strings.HasPrefix(text, "#") {
			out, whole = b, text[0] == '#'
		}
		words[i] = word
	}
	ret, _, errno := syscall.Syscall6(r.Nr, words[0], words[1], words[2], words[3], words[4], words[5])
	a := answer{Nr: r.Nr, Ret: int64(ret), Errno: int(errno)}
	switch {
	case errno != 0 || out == nil:
	case whole:
		a.Data = hex.EncodeToString(out)
	default:
		a.Data = strings.TrimRight(string(out[:min(len(out), max(0, int(a.Ret)))]), "\x00")
	}
	for _, b := range keep {
		_ = b[0]
	}
	return a
}

// argument returns the bytes that a word stands for, or its number.
func argument(text string, before []answer) ([]byte, uintptr, error) {
	if s, ok := strings.CutPrefix(text, "'"); ok {
		return append([]byte(s), 0), 0, nil
	}
	if s, ok := strings.CutPrefix(text, "x'"); ok {
		b, err := hex.DecodeString(s)
		return append(b, 0), 0, err
	}
	if strings.HasPrefix(text, "@") || strings.HasPrefix(text, "#") {
		n, err := strconv.Atoi(text[1:])
		return make([]byte, max(1, n)), 0, err
	}
	if s, ok := strings.CutPrefix(text, "$"); ok {
		n, err := strconv.Atoi(s)
		if err != nil || n >= len(before) {
			return nil, 0, fmt.Errorf("no call %s", s)
		}
		return nil, uintptr(before[n].Ret), nil
	}
	if n, err := strconv.ParseInt(text, 0, 64); err == nil {
		return nil, uintptr(n), nil
	}
	n, err := strconv.ParseUint(text, 0, 64)
	return nil, uintptr(n), err
}
