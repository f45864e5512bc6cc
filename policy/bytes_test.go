package policy

import (
	"encoding/json"
	"math"
	"testing"
)

func TestParseBytes(t *testing.T) {
	for text, want := range map[string]Bytes{
		"0": 0, "1": 1, "4096": 4096, "100B": 100,
		"1K": KiB, "1k": KiB, "1Ki": KiB, "1KB": KiB, "1KiB": KiB, "1kib": KiB,
		"512M": 512 * MiB, "2GiB": 2 * GiB, "3T": 3 * TiB,
		"9223372036854775807": math.MaxInt64, "8388607T": 8388607 * TiB,
	} {
		got, err := ParseBytes(text)
		if err != nil || got != want {
			t.Errorf("ParseBytes(%q) = %d, %v, want %d", text, got, err, want)
		}
	}
}

func TestParseBytes_rejects(t *testing.T) {
	for name, text := range map[string]string{
		"nothing": "", "only a unit": "M", "a sign": "-1", "a plus": "+1", "a fraction": "1.5G",
		"a space": "1 M", "spaces around": " 1", "an unknown unit": "1P", "bits": "1Mbit",
		"a doubled unit": "1MM", "a unit in front": "M1", "leading zeros": "010", "hexadecimal": "0x10",
		"grouped digits": "1_000", "words": "lots", "more than fits": "9223372036854775808",
		"more than fits with its unit": "8388608T", "digits of another script": "١٢",
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := ParseBytes(text); err == nil {
				t.Errorf("ParseBytes(%q) = %d, want an error", text, got)
			}
		})
	}
}

func TestBytes_printsTheLargestExactUnit(t *testing.T) {
	for b, want := range map[Bytes]string{
		0: "0", 1: "1", 1000: "1000", 1023: "1023", KiB: "1K", 1536: "1536", 1536 * KiB: "1536K",
		512 * MiB: "512M", 2 * GiB: "2G", TiB: "1T", 1024 * TiB: "1024T", math.MaxInt64: "9223372036854775807",
	} {
		if got := b.String(); got != want {
			t.Errorf("String of %d = %q, want %q", int64(b), got, want)
		}
		if back, err := ParseBytes(want); err != nil || back != b {
			t.Errorf("ParseBytes(%q) = %d, %v, want %d", want, back, err, int64(b))
		}
	}
}

func TestBytes_readJSONTextsAndNumbers(t *testing.T) {
	for text, want := range map[string]Bytes{`"512M"`: 512 * MiB, `4096`: 4096, `"1000"`: 1000} {
		var got Bytes
		if err := json.Unmarshal([]byte(text), &got); err != nil || got != want {
			t.Errorf("Unmarshal(%s) = %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{`-1`, `1.5`, `1e3`, `null`, `true`, `{}`, `""`, `"x"`, `99999999999999999999`} {
		var got Bytes
		if err := json.Unmarshal([]byte(text), &got); err == nil {
			t.Errorf("Unmarshal(%s) = %d, want an error", text, got)
		}
	}
}
