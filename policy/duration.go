package policy

import (
	"fmt"
	"strings"
	"time"
)

// parseDuration reads a time in Go's syntax. A number needs its unit.
func parseDuration(s string) (time.Duration, *flaw) {
	d, err := time.ParseDuration(s)
	switch {
	case isDigits(s):
		return 0, &flaw{fmt.Sprintf("%s has no unit", quote(s)), fmt.Sprintf(`write "%ss" for seconds`, clip(s))}
	case err != nil:
		return 0, &flaw{fmt.Sprintf("%s is not a time", quote(s)), `write it like "30s", "5m" or "1h30m"`}
	case d < 0:
		return 0, &flaw{fmt.Sprintf("%s is negative", quote(s)), ""}
	}
	return d, nil
}

// formatDuration is the shortest exact text form: 30s, 5m, 1h30m.
func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// durationText is a duration in its text form in JSON.
type durationText time.Duration

// MarshalText is formatDuration.
func (d durationText) MarshalText() ([]byte, error) {
	return []byte(formatDuration(time.Duration(d))), nil
}

// UnmarshalText is parseDuration.
func (d *durationText) UnmarshalText(text []byte) error {
	v, bad := parseDuration(string(text))
	if bad != nil {
		return bad
	}
	*d = durationText(v)
	return nil
}
