package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Sizes for use in Go: 512 * policy.MiB.
const (
	KiB Bytes = 1 << 10
	MiB Bytes = 1 << 20
	GiB Bytes = 1 << 30
	TiB Bytes = 1 << 40
)

// units are the letters of the text form, largest first.
var units = [...]struct {
	letter string
	size   Bytes
}{
	{"T", TiB},
	{"G", GiB},
	{"M", MiB},
	{"K", KiB},
}

// ParseBytes reads the text form of a size: a whole number with an optional
// unit B, K, M, G or T in either case, each also as KiB, Ki or KB. All mean
// powers of 1024. Signs, fractions and sizes of 8 EiB and more are errors.
func ParseBytes(s string) (Bytes, error) {
	digits := strings.TrimRight(s, "KMGTIBkmgtib")
	factor, ok := unitSize(strings.ToUpper(s[len(digits):]))
	if !ok || !isDigits(digits) || isPadded(digits) {
		return 0, fmt.Errorf("%s is not a size such as 512M", quote(s))
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n > math.MaxInt64/int64(factor) {
		return 0, fmt.Errorf("%s is too large for a size", quote(s))
	}
	return Bytes(n) * factor, nil
}

// unitSize is the size of a unit in capitals; none means bytes.
func unitSize(unit string) (Bytes, bool) {
	if unit == "" || unit == "B" {
		return 1, true
	}
	for _, u := range units {
		switch unit {
		case u.letter, u.letter + "B", u.letter + "I", u.letter + "IB":
			return u.size, true
		}
	}
	return 0, false
}

// isDigits says whether s is one or more decimal digits.
func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// isPadded says that a number begins with needless zeros; elsewhere they mean
// octal.
func isPadded(digits string) bool {
	return len(digits) > 1 && digits[0] == '0' && isDigits(digits[:2])
}

// String is the shortest exact text form: 512M, 1000.
func (b Bytes) String() string {
	for _, u := range units {
		if b != 0 && b%u.size == 0 {
			return strconv.FormatInt(int64(b/u.size), 10) + u.letter
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

// MarshalText is String; JSON and YAML use it.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// UnmarshalText is ParseBytes.
func (b *Bytes) UnmarshalText(text []byte) error {
	n, err := ParseBytes(string(text))
	if err != nil {
		return err
	}
	*b = n
	return nil
}

// UnmarshalJSON takes the text form and plain numbers.
func (b *Bytes) UnmarshalJSON(data []byte) error {
	if isDigits(string(data)) {
		return b.UnmarshalText(data)
	}
	var text *string
	if err := json.Unmarshal(data, &text); err != nil || text == nil {
		return errors.New("a size is a whole number of bytes or a text such as \"512M\"")
	}
	return b.UnmarshalText([]byte(*text))
}
