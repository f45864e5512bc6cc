package policy

import (
	"math"
	"testing"
	"time"
)

func TestFormatDuration_isShortAndReadsBack(t *testing.T) {
	for d, want := range map[time.Duration]string{
		30 * time.Second: "30s", 5 * time.Minute: "5m", 24 * time.Hour: "24h",
		time.Hour + 30*time.Minute: "1h30m", time.Hour + time.Second: "1h0m1s",
		1500 * time.Millisecond: "1.5s", 10 * time.Minute: "10m", 100 * time.Hour: "100h",
		time.Nanosecond: "1ns", math.MaxInt64: "2562047h47m16.854775807s",
	} {
		got := formatDuration(d)
		if got != want {
			t.Errorf("formatDuration(%d) = %q, want %q", d, got, want)
		}
		if back, bad := parseDuration(got); bad != nil || back != d {
			t.Errorf("parseDuration(%q) = %v, %v, want %v", got, back, bad, d)
		}
	}
}

func TestParseDuration_rejects(t *testing.T) {
	for text, want := range map[string]string{
		"":      `"" is not a time; write it like "30s", "5m" or "1h30m"`,
		"30":    `"30" has no unit; write "30s" for seconds`,
		"-5s":   `"-5s" is negative`,
		"5d":    `"5d" is not a time; write it like "30s", "5m" or "1h30m"`,
		"5 min": `"5 min" is not a time; write it like "30s", "5m" or "1h30m"`,
		"1e9h":  `"1e9h" is not a time; write it like "30s", "5m" or "1h30m"`,
	} {
		if _, bad := parseDuration(text); bad == nil || bad.Error() != want {
			t.Errorf("parseDuration(%q) = %v, want %s", text, bad, want)
		}
	}
}
