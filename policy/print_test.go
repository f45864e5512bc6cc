package policy

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// awkward are policies whose texts are easy to spoil on the way.
var awkward = map[string]Policy{
	"nothing":         {},
	"everything":      full,
	"host by name":    {Layer: Host},
	"odd sizes":       {Limits: Limits{Memory: MiB + 1, Output: 1, Scratch: 1536 * KiB}},
	"odd numbers":     {Limits: Limits{CPUs: 0.1, WallTime: 1234567890}},
	"words as texts":  Policy{}.With(SetEnv("A", "true"), SetEnv("B", "null"), SetEnv("C", "1e3"), SetEnv("D", "~"), SetEnv("E", "0x1f")),
	"yaml in texts":   Policy{}.With(SetEnv("A", "- x\n? y: [z]\n"), SetEnv("B", "# no"), SetEnv("C", "'\"\\"), SetEnv("D", "a: b"), SetEnv("E", "*a &b !c")),
	"spaces":          Policy{}.With(SetEnv("A", " x "), SetEnv("B", "\n\n x"), SetEnv("C", "\t"), SetEnv("D", "\r\n")),
	"odd letters":     Policy{}.With(SetEnv("A", "\u2028\u0085\ufeff\x01\x7f"), SetEnv("B", "日本 😀"), SetEnv("C", "<&>")),
	"dates":           Policy{}.With(SetEnv("A", "2020-01-01"), SetEnv("B", "12:30:00")),
	"words of a path": Policy{}.With(ReadOnly("~", "~/a b", "/x: y", "/é", "$WORKSPACE", "/[x]", "/-"), Writable("~/.cache")),
}

func TestPrint_readsBack(t *testing.T) {
	for name, p := range awkward {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(p, reparse(t, p)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// reparse prints a policy and parses what came out.
func reparse(t *testing.T, p Policy) Policy {
	t.Helper()
	var b bytes.Buffer
	if err := p.Print(&b); err != nil {
		t.Fatal(err)
	}
	got, err := Parse("printed", b.Bytes())
	if err != nil {
		t.Fatalf("%v in\n%s", err, b.String())
	}
	return got
}

func TestJSON_readsBackExactly(t *testing.T) {
	for name, p := range awkward {
		t.Run(name, func(t *testing.T) {
			data, err := json.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}
			var plain Policy
			if err := json.Unmarshal(data, &plain); err != nil {
				t.Fatalf("%v in %s", err, data)
			}
			if diff := cmp.Diff(p, plain); diff != "" {
				t.Errorf("by encoding/json: %s", diff)
			}
			strict, err := Parse("stored", data)
			if err != nil {
				t.Fatalf("%v in %s", err, data)
			}
			if diff := cmp.Diff(p, strict); diff != "" {
				t.Errorf("by Parse: %s", diff)
			}
		})
	}
}

func TestYAML_readsBackInsideAnotherDocument(t *testing.T) {
	type config struct{ Policy Policy }
	for name, p := range awkward {
		t.Run(name, func(t *testing.T) {
			data, err := yaml.Marshal(config{p})
			if err != nil {
				t.Fatal(err)
			}
			var got config
			if err := yaml.Unmarshal(data, &got); err != nil {
				t.Fatalf("%v in\n%s", err, data)
			}
			if diff := cmp.Diff(p, got.Policy); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPrint_isForPeople(t *testing.T) {
	var b bytes.Buffer
	if err := full.Print(&b); err != nil {
		t.Fatal(err)
	}
	want := `layer: native
filesystem:
  read:
    - /usr/share
    - ~/src
    - "${inputs.tree}"
    - "/data/${inputs.set}/in"
  write:
    - $WORKSPACE/out
    - /srv/out
env:
  set:
    EMPTY: ""
    LANG: C
    PORT: "8080"
  pass:
    - EDITOR
    - TERM
limits:
  memory: 512M
  cpus: 1.5
  pids: 64
  open_files: 256
  file_size: 1G
  output: 64K
  scratch: 64M
  wall_time: 1m30s
syscalls: strict
trace_denials: true
best_effort: true
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
}

func TestJSON_printsTextForms(t *testing.T) {
	p := Policy{Limits: Limits{Memory: 512 * MiB, WallTime: 30e9}, Network: Network{Allow: []string{"a:443"}}}
	data, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"network":{"allow":["a:443"]},"limits":{"memory":"512M","wall_time":"30s"}}`
	if string(data) != want {
		t.Errorf("Marshal = %s, want %s", data, want)
	}
	var back Policy
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p, back); diff != "" {
		t.Error(diff)
	}
	if data, _ := json.Marshal(Network{}); string(data) != `"none"` {
		t.Errorf("Marshal of no network = %s, want \"none\"", data)
	}
}

func TestJSON_neverLosesALimitOrAHost(t *testing.T) {
	for name, text := range map[string]string{
		"an unknown limit":      `{"limits":{"memory":"1G","disk":"1G"}}`,
		"a limit of wrong type": `{"limits":{"memory":[]}}`,
		"a time without a unit": `{"limits":{"wall_time":"30"}}`,
		"a negative time":       `{"limits":{"wall_time":"-1s"}}`,
		"a number as a time":    `{"limits":{"wall_time":30}}`,
		"an unknown network":    `{"network":"all"}`,
		"a network key":         `{"network":{"deny":["x"]}}`,
		"a network of nothing":  `{"network":[]}`,
	} {
		t.Run(name, func(t *testing.T) {
			var p Policy
			if err := json.Unmarshal([]byte(text), &p); err == nil {
				t.Errorf("Unmarshal(%s) = %+v, want an error", text, p)
			}
		})
	}
}

func TestIsZero_leavesEmptyPartsOut(t *testing.T) {
	p := Policy{
		Filesystem: Filesystem{Read: []string{}},
		Env:        Env{Set: map[string]string{}},
		Network:    Network{Allow: []string{}},
	}
	if data, err := json.Marshal(p); err != nil || string(data) != "{}" {
		t.Errorf("Marshal = %s, %v, want {}", data, err)
	}
}

func TestPrint_passesTheWritersErrorOn(t *testing.T) {
	if err := full.Print(fullDisk{}); err == nil {
		t.Error("Print lost the error")
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, bytes.ErrTooLarge }
