package tree

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// parsed is the tree of a document that must be sound.
func parsed(t *testing.T, text string) *Node {
	t.Helper()
	n, problems := Parse("f", []byte(text))
	if problems != nil {
		t.Fatal(problems)
	}
	return n
}

func TestParse_knowsWhereValuesStand(t *testing.T) {
	root := parsed(t, "{\n  \"ä\": [1,\n\t\ttrue, null],\n  \"a/b~c\": {\"x\": \"é\\n\", \"y\": -1.5e3}\n}\n")
	for _, row := range []struct {
		pointer      string
		kind         Kind
		line, column int
		text         string
	}{
		{"", Object, 1, 1, ""},
		{"/ä", Array, 2, 8, ""},
		{"/ä/0", Number, 2, 9, "1"},
		{"/ä/1", Bool, 3, 3, "true"},
		{"/ä/2", Null, 3, 9, "null"},
		{"/a~1b~0c", Object, 4, 12, ""},
		{"/a~1b~0c/x", String, 4, 18, "é\n"},
		{"/a~1b~0c/y", Number, 4, 30, "-1.5e3"},
	} {
		t.Run(row.pointer, func(t *testing.T) {
			n, pointer := root.Locate(row.pointer, nil)
			if pointer != row.pointer || n.Pointer() != row.pointer {
				t.Errorf("pointers = %q and %q, want %q", pointer, n.Pointer(), row.pointer)
			}
			if n.Kind != row.kind || n.Line != row.line || n.Column != row.column || n.Text != row.text {
				t.Errorf("node = %v at %d:%d with text %q, want %v at %d:%d with %q", n.Kind, n.Line, n.Column, n.Text, row.kind, row.line, row.column, row.text)
			}
		})
	}
}

func TestParse_keepsTheValuesOwnText(t *testing.T) {
	root := parsed(t, `{"a": {"b": [1, 2 ]} , "c":"d"}`)
	if got, want := string(root.Get("a").Raw), `{"b": [1, 2 ]}`; got != want {
		t.Errorf("Raw = %q, want %q", got, want)
	}
	if got, want := string(root.Get("c").Raw), `"d"`; got != want {
		t.Errorf("Raw = %q, want %q", got, want)
	}
}

func TestParse_refusesWhatIsNotOneDocument(t *testing.T) {
	for _, row := range []struct{ name, text, want string }{
		{"empty", "", "f: is empty; it must hold one JSON object"},
		{"space", " \n", "f: is empty; it must hold one JSON object"},
		{"mark", "\ufeff{}", "f:1:1: starts with a byte order mark; save it as plain UTF-8"},
		{"not UTF-8", "{\n \"a\": \"\xff\"}", "f:2:8: is not UTF-8; save it as UTF-8"},
		{"cut off", `{"a": [1`, "f:1:9: broken JSON: unexpected end of JSON input"},
		{"trailing", "1\n2", "f:2:1: more data after the end of the JSON value; a manifest is one object; remove what follows it"},
		{"comment", "{\n// x\n}", "f:2:1: broken JSON: invalid character '/' looking for beginning of object key string"},
		{"key twice", `{"a": 1, "b": {"a": 2, "a": 3}}`, `f:1:24: /b/a: key "a" is given twice; keep one of them`},
		{"long key", `{"` + strings.Repeat("k", 2000) + `": 1}`, "f:1:2: /" + strings.Repeat("k", 32) + "…: a key longer than 1024 bytes"},
	} {
		t.Run(row.name, func(t *testing.T) {
			n, problems := Parse("f", []byte(row.text))
			if n != nil || len(problems) != 1 || problems[0].String() != row.want {
				t.Errorf("problems = %v, want %q", problems, row.want)
			}
		})
	}
}

func TestParse_endsQuicklyOnHostileDocuments(t *testing.T) {
	long := strings.Repeat("k", 1000)
	for name, text := range map[string]string{
		"one long line":       "[" + strings.Repeat("1,", 1<<18) + "1]",
		"deep":                strings.Repeat("[", 5000) + strings.Repeat("]", 5000),
		"long keys, deep":     strings.Repeat(`{"`+long+`":`, 90) + "1" + strings.Repeat("}", 90),
		"the same key always": "{" + strings.Repeat(`"a":1,`, 1<<15) + `"a":1}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, problems := Parse("f", []byte(text))
			if len(problems) > maxProblems+1 {
				t.Errorf("%d problems, want at most %d", len(problems), maxProblems+1)
			}
		})
	}
}

func TestLocate_findsOtherNamesAndWhatIsMissing(t *testing.T) {
	names := map[string][]string{"id": {"node_id", "edge_id"}, "/id": {"graph_id"}, "env": {"environment"}}
	root := parsed(t, `{"graph_id": "g", "nodes": [{"node_id": "a", "edges": {"edge_id": "b"}, "config": "x"}]}`)
	for _, row := range []struct{ pointer, want, at string }{
		{"/id", "/graph_id", "/graph_id"},
		{"/nodes/0/id", "/nodes/0/node_id", "/nodes/0/node_id"},
		{"/nodes/0/edges/id", "/nodes/0/edges/edge_id", "/nodes/0/edges/edge_id"},
		{"/nodes/0/env/A", "/nodes/0/environment/A", "/nodes/0"},
		{"/nodes/0/other", "/nodes/0/other", "/nodes/0"},
		{"/nodes/7/id", "/nodes/7/id", "/nodes"},
		{"/nodes/x", "/nodes/x", "/nodes"},
		{"/nodes/0/config/command/0", "/nodes/0/config", "/nodes/0/config"},
	} {
		t.Run(row.pointer, func(t *testing.T) {
			n, pointer := root.Locate(row.pointer, names)
			if pointer != row.want || n.Pointer() != row.at {
				t.Errorf("Locate = node %q, pointer %q; want %q, %q", n.Pointer(), pointer, row.at, row.want)
			}
		})
	}
}

func TestReader_readsValues(t *testing.T) {
	root := parsed(t, `{"s": "x", "b": true, "i": 3, "e": 1e2, "f": 0.5, "l": ["a", "b"], "d": "1m30s", "empty": []}`)
	r := Reader{File: "f"}
	var got struct {
		s     string
		b     bool
		i, e  int
		f     float64
		l     []string
		d     time.Duration
		empty []string
	}
	r.String(root.Get("s"), &got.s)
	r.Bool(root.Get("b"), &got.b)
	r.Int(root.Get("i"), 1, 5, &got.i)
	r.Int(root.Get("e"), 1, 100, &got.e)
	r.Float(root.Get("f"), 0, 1, &got.f)
	r.Strings(root.Get("l"), &got.l)
	r.Strings(root.Get("empty"), &got.empty)
	r.Duration(root.Get("d"), &got.d)

	if r.Problems() != nil {
		t.Error(r.Problems())
	}
	if got.s != "x" || !got.b || got.i != 3 || got.e != 100 || got.f != 0.5 || got.d != 90*time.Second ||
		!reflect.DeepEqual(got.l, []string{"a", "b"}) || got.empty == nil || len(got.empty) != 0 {
		t.Errorf("read %+v", got)
	}
}

func TestReader_leavesTargetsOfMissingValues(t *testing.T) {
	var r Reader
	s, b, i, f, l, d := "x", true, 1, 1.0, []string{"x"}, time.Second
	r.String(nil, &s)
	r.Bool(nil, &b)
	r.Int(nil, 0, 1, &i)
	r.Float(nil, 0, 1, &f)
	r.Strings(nil, &l)
	r.Duration(nil, &d)
	r.Each(nil, func(int, *Node) { t.Error("Each called its function") })
	r.Fields(nil, "x", nil)
	if s != "x" || !b || i != 1 || f != 1 || len(l) != 1 || d != time.Second || r.Problems() != nil {
		t.Errorf("targets = %q %v %d %v %v %v with problems %v", s, b, i, f, l, d, r.Problems())
	}
}

func TestReader_keepsNoMoreProblemsThanAPersonReads(t *testing.T) {
	var r Reader
	for range maxProblems + 7 {
		r.Note(fault.Problem{Reason: "x"})
	}
	got := r.Problems()
	if len(got) != maxProblems+1 || got[maxProblems].Reason != "and 7 more problems" {
		t.Errorf("%d problems, the last %q", len(got), got[len(got)-1].Reason)
	}
}

func TestHint_namesTheNearestOrAll(t *testing.T) {
	known := map[string]bool{"command": true, "env": true}
	for got, want := range map[string]string{
		"comand":                      `did you mean "command"?`,
		"COMMAND":                     `did you mean "command"?`,
		"zzz":                         `known: command, env`,
		strings.Repeat("command", 99): `known: command, env`,
	} {
		if hint := Hint(got, known); hint != want {
			t.Errorf("Hint(%.20q) = %q, want %q", got, hint, want)
		}
	}
	many := map[string]bool{}
	for range 200 {
		many[strings.Repeat("x", len(many)+1)] = true
	}
	if hint := Hint("yyyy", many); hint != "" {
		t.Errorf("Hint among many = %q, want nothing", hint)
	}
}

func TestQuote_isShortAndPrints(t *testing.T) {
	if got, want := Quote("a\x1b[31m"), `"a\x1b[31m"`; got != want {
		t.Errorf("Quote = %s, want %s", got, want)
	}
	if got := Quote(strings.Repeat("ä", 100)); len(got) > 90 || !strings.HasSuffix(got, `…"`) {
		t.Errorf("Quote of a long text = %s", got)
	}
}

func TestMessages_printHostileTextsHarmlessly(t *testing.T) {
	const evil = "a\u001b[31m\u202e/~"
	root := parsed(t, `{"`+strings.ReplaceAll(strings.ReplaceAll(evil, "\u001b", `\u001b`), "\u202e", `\u202e`)+`": {"x": 1}}`)
	r := Reader{File: "f"}
	r.Fields(root, "x", map[string]func(*Node){evil + "b": nil})
	r.Add(root.Members[0].Value.Get("x"), Clip(evil), Hint("zzzzzzzzzzzzzz", map[string]bool{evil: true}))
	for _, p := range r.Problems() {
		if strings.ContainsAny(p.String(), "\x1b\u202e") {
			t.Errorf("problem %q would not print as it is", p.String())
		}
	}
	if got, want := r.Problems()[1].Pointer, `/a\u001b[31m\u202e~1~0/x`; got != want {
		t.Errorf("pointer = %s, want %s", got, want)
	}
}

// FuzzParse holds Parse against encoding/json: what it takes is one value that
// encoding/json takes too, and every string in it is the same.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a": [1, true, null, "x\u00e9\ud800"]}`, `[[[]]]`, `{"a":1,"a":2}`, "\"\\\"\\\\\"", " 1 "} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		n, problems := Parse("f", data)
		if len(problems) > 0 {
			return
		}
		var want any
		if err := json.Unmarshal(data, &want); err != nil {
			t.Fatalf("Parse takes what encoding/json refuses: %v", err)
		}
		if got := plainValue(n); !reflect.DeepEqual(got, want) {
			t.Errorf("value = %#v, want %#v", got, want)
		}
	})
}

// plainValue is a node as encoding/json gives it.
func plainValue(n *Node) any {
	switch n.Kind {
	case Object:
		out := map[string]any{}
		for _, m := range n.Members {
			out[m.Key] = plainValue(m.Value)
		}
		return out
	case Array:
		out := make([]any, 0, len(n.Items))
		for _, item := range n.Items {
			out = append(out, plainValue(item))
		}
		return out
	case String:
		return n.Text
	}
	var v any
	if err := json.Unmarshal(n.Raw, &v); err != nil {
		panic(err)
	}
	return v
}
