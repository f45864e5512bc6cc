package policy

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// form is how a kind of value is written: read, printed, and described.
type form[T any] struct {
	read   func(*yaml.Node) (T, *flaw)
	text   func(T) string
	schema schema
}

// sizes are bytes: 4096, 512M.
var sizes = form[Bytes]{
	read: readSize,
	text: Bytes.String,
	schema: schema{"oneOf": []any{
		schema{"type": "integer", "minimum": 1},
		schema{"type": "string", "pattern": `^[1-9][0-9]*([KMGTkmgt]([Ii]?[Bb]|[Ii])?|[Bb])?$`},
	}},
}

// times are durations: 30s, 1h30m.
var times = form[time.Duration]{
	read:   readTime,
	text:   formatDuration,
	schema: schema{"type": "string", "pattern": `^\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))*$`},
}

// counts are whole numbers.
var counts = form[int]{
	read:   readCount,
	text:   strconv.Itoa,
	schema: schema{"type": "integer"},
}

// fractions are numbers: 1.5.
var fractions = form[float64]{
	read:   readFraction,
	text:   func(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) },
	schema: schema{"type": "number"},
}

// switches are true or false.
var switches = form[bool]{
	read:   readSwitch,
	text:   strconv.FormatBool,
	schema: schema{"type": "boolean"},
}

// texts are strings.
var texts = form[string]{
	read:   readText,
	text:   strconv.Quote,
	schema: schema{"type": "string"},
}

func readSize(n *yaml.Node) (Bytes, *flaw) {
	const what = "a size such as 512M"
	if !isTag(n, "!!int", "!!str") {
		return 0, expects(what, n)
	}
	b, err := ParseBytes(n.Value)
	if err != nil {
		return 0, &flaw{err.Error(), "write whole bytes, or a whole number with K, M, G or T"}
	}
	return b, nil
}

func readTime(n *yaml.Node) (time.Duration, *flaw) {
	if !isTag(n, "!!int", "!!float", "!!str") {
		return 0, expects(`a time such as "30s"`, n)
	}
	return parseDuration(n.Value)
}

func readCount(n *yaml.Node) (int, *flaw) {
	const what = "a whole number"
	if !isTag(n, "!!int") {
		return 0, expects(what, n)
	}
	// Octal, hexadecimal and grouped digits read differently elsewhere.
	v, err := strconv.Atoi(n.Value)
	if err != nil || strconv.Itoa(v) != n.Value {
		return 0, &flaw{fmt.Sprintf("%s is not a plain decimal number", quote(n.Value)), ""}
	}
	return v, nil
}

func readFraction(n *yaml.Node) (float64, *flaw) {
	if !isTag(n, "!!int", "!!float") {
		return 0, expects("a number", n)
	}
	v, err := strconv.ParseFloat(n.Value, 64)
	if err != nil || !finite(v) || isPadded(strings.TrimLeft(n.Value, "+-")) {
		return 0, &flaw{fmt.Sprintf("%s is not a finite decimal number", quote(n.Value)), ""}
	}
	return v, nil
}

func readSwitch(n *yaml.Node) (bool, *flaw) {
	if !isTag(n, "!!bool") {
		return false, expects("true or false", n)
	}
	v, err := strconv.ParseBool(n.Value)
	if err != nil {
		return false, expects("true or false", n)
	}
	return v, nil
}

func readText(n *yaml.Node) (string, *flaw) {
	if isTag(n, "!!str") {
		return n.Value, nil
	}
	bad := expects("a text", n)
	if n.Kind == yaml.ScalarNode && !isTag(n, "!!null") {
		bad.fix = fmt.Sprintf("put it in quotes: %q", clip(n.Value))
	}
	return "", bad
}

// isTag says whether n is a scalar of one of the types.
func isTag(n *yaml.Node, tags ...string) bool {
	if n.Kind != yaml.ScalarNode {
		return false
	}
	got := n.ShortTag()
	for _, t := range tags {
		if got == t {
			return true
		}
	}
	return false
}

// typeNames are the words for YAML's types in messages.
var typeNames = map[string]string{
	"!!str": "the text", "!!int": "the number", "!!float": "the number",
	"!!bool": "the truth value", "!!null": "nothing", "!!timestamp": "the date",
	"!!map": "a mapping", "!!seq": "a list", "!!binary": "binary data",
	"!!merge": "the text",
}

// expects says that a value is of the wrong type.
func expects(what string, n *yaml.Node) *flaw {
	got := typeNames[n.ShortTag()]
	if got == "" {
		got = "something else"
	}
	if n.Kind == yaml.ScalarNode && !isTag(n, "!!null") {
		got += " " + quote(n.Value)
	}
	bad := &flaw{reason: "expects " + what + ", got " + got}
	if isTag(n, "!!null") {
		bad.fix = "give it a value or remove the key"
	}
	return bad
}
