package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"testing"

	"go.yaml.in/yaml/v3"
)

func TestSchema_isPublishedFresh(t *testing.T) {
	published, err := os.ReadFile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(published, Schema()) {
		t.Error("schema.json is stale: run go generate ./policy")
	}
}

// schemaOf is the published schema as a validator sees it.
func schemaOf(t *testing.T) map[string]any {
	t.Helper()
	var s map[string]any
	if err := json.Unmarshal(Schema(), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// document is a text as a validator sees it.
func document(t *testing.T, text []byte) (any, bool) {
	t.Helper()
	var v any
	if json.Unmarshal(text, &v) == nil {
		return v, true
	}
	if yaml.Unmarshal(text, &v) != nil {
		return nil, false
	}
	return v, true
}

func TestSchema_takesWhatParseTakes(t *testing.T) {
	s := schemaOf(t)
	texts := map[string][]byte{"the full form": []byte(fullYAML)}
	for name, p := range awkward {
		data, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := p.Print(&b); err != nil {
			t.Fatal(err)
		}
		texts[name+" as JSON"], texts[name+" as YAML"] = data, b.Bytes()
	}
	for name, text := range texts {
		v, ok := document(t, text)
		if !ok {
			t.Fatalf("%s cannot be read", name)
		}
		if err := checkSchema(s, v); err != nil {
			t.Errorf("%s: %v in\n%s", name, err, text)
		}
	}
}

// beyondSchema are the bad inputs that a schema cannot refuse: it sees the
// value and not the text, or does not count in bytes, sums or units.
var beyondSchema = map[string]bool{
	"two documents": true, "a merge key": true, "a number as a key": true,
	"a tag": true, "a local tag": true, "an anchor": true, "a key twice in JSON": true,
	"yes for true":             true, // the text in YAML 1.2
	"set and passed":           true,
	"a value that is too long": true, "too many variables": true,
	"a size that is absurdly small": true, "a size that is absurdly large": true, "an octal size": true,
	"a size that fits no number": true, "no time at all": true, "ten years": true,
	"grouped digits": true, "hexadecimal": true,
	"a date as a value": true, // a string for most readers
}

func TestSchema_rejectsBadInput(t *testing.T) {
	s := schemaOf(t)
	rejected := 0
	for _, row := range badInputs {
		v, ok := document(t, []byte(row.text))
		if !ok || beyondSchema[row.name] {
			continue
		}
		if err := checkSchema(s, v); err == nil {
			t.Errorf("%s: the schema takes\n%.200s", row.name, row.text)
		}
		rejected++
	}
	if rejected < 60 {
		t.Errorf("only %d bad inputs were shown to the schema, want at least 60", rejected)
	}
}

// keywords are the words of JSON Schema that the schema may use: the checker
// below knows them, or they only describe.
var keywords map[string]func(want, v any) error

func init() {
	keywords = map[string]func(want, v any) error{
		"$schema": nil, "$id": nil, "$comment": nil, "title": nil, "description": nil, "properties": nil,
		"type": checkType, "enum": checkEnum, "const": checkConst, "pattern": checkPattern,
		"minimum": checkMinimum, "maximum": checkMaximum, "maxLength": checkMaxLength, "maxItems": checkMaxItems,
		"items": checkItems, "oneOf": checkOneOf, "not": checkNot, "propertyNames": checkNames,
	}
}

// checkSchema is a small JSON Schema validator.
func checkSchema(s map[string]any, v any) error {
	for word, want := range s {
		check, known := keywords[word]
		if word != "additionalProperties" && !known {
			return fmt.Errorf("the checker does not know %q", word)
		}
		if check == nil {
			continue
		}
		if err := check(want, v); err != nil {
			return err
		}
	}
	return checkProperties(s, v)
}

func checkProperties(s map[string]any, v any) error {
	object, ok := v.(map[string]any)
	if !ok {
		return nil
	}
	properties, _ := s["properties"].(map[string]any)
	for name, value := range object {
		sub, ok := properties[name].(map[string]any)
		if !ok && s["additionalProperties"] == false {
			return fmt.Errorf("unknown property %q", name)
		}
		if !ok {
			sub, ok = s["additionalProperties"].(map[string]any)
		}
		if !ok {
			continue
		}
		if err := checkSchema(sub, value); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func number(v any) (float64, bool) {
	switch n := v.(type) {
	case int:
		return float64(n), true
	case float64:
		return n, true
	}
	return 0, false
}

func checkType(want, v any) error {
	n, isNumber := number(v)
	ok := map[string]bool{
		"object":  reflect.ValueOf(v).Kind() == reflect.Map,
		"array":   reflect.ValueOf(v).Kind() == reflect.Slice,
		"string":  reflect.ValueOf(v).Kind() == reflect.String,
		"boolean": reflect.ValueOf(v).Kind() == reflect.Bool,
		"number":  isNumber,
		"integer": isNumber && n == float64(int64(n)),
	}
	if !ok[want.(string)] {
		return fmt.Errorf("%v is not of type %v", v, want)
	}
	return nil
}

func checkEnum(want, v any) error {
	for _, w := range want.([]any) {
		if w == v {
			return nil
		}
	}
	return fmt.Errorf("%v is not one of %v", v, want)
}

func checkConst(want, v any) error {
	if reflect.DeepEqual(want, v) {
		return nil
	}
	return fmt.Errorf("%v is not %v", v, want)
}

func checkPattern(want, v any) error {
	s, ok := v.(string)
	if !ok || regexp.MustCompile(want.(string)).MatchString(s) {
		return nil
	}
	return fmt.Errorf("%.80q does not match %s", s, want)
}

func checkMinimum(want, v any) error {
	if n, ok := number(v); ok && !(n >= want.(float64)) {
		return fmt.Errorf("%v is less than %v", v, want)
	}
	return nil
}

func checkMaximum(want, v any) error {
	if n, ok := number(v); ok && !(n <= want.(float64)) {
		return fmt.Errorf("%v is more than %v", v, want)
	}
	return nil
}

func checkMaxLength(want, v any) error {
	if s, ok := v.(string); ok && float64(len([]rune(s))) > want.(float64) {
		return fmt.Errorf("%.80q is too long", s)
	}
	return nil
}

func checkMaxItems(want, v any) error {
	if l, ok := v.([]any); ok && float64(len(l)) > want.(float64) {
		return fmt.Errorf("%d items are too many", len(l))
	}
	return nil
}

func checkItems(want, v any) error {
	l, _ := v.([]any)
	for i, item := range l {
		if err := checkSchema(want.(map[string]any), item); err != nil {
			return fmt.Errorf("%d: %w", i, err)
		}
	}
	return nil
}

func checkOneOf(want, v any) error {
	matches := 0
	for _, s := range want.([]any) {
		if checkSchema(s.(map[string]any), v) == nil {
			matches++
		}
	}
	if matches == 1 {
		return nil
	}
	return fmt.Errorf("%v fits %d of the forms, want 1", v, matches)
}

func checkNot(want, v any) error {
	if checkSchema(want.(map[string]any), v) != nil {
		return nil
	}
	return fmt.Errorf("%v is excluded", v)
}

func checkNames(want, v any) error {
	object, _ := v.(map[string]any)
	for name := range object {
		if err := checkSchema(want.(map[string]any), name); err != nil {
			return err
		}
	}
	return nil
}
