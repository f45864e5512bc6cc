package policy

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// key is one row of the table of what may stand in a policy: parsing, the
// JSON Schema and the check of the reference page all walk it.
type key struct {
	name   string
	doc    string
	schema schema
	keys   []key // of a group
	read   func(r *reader, v value, p *Policy)
}

// root is the table of keys.
var root = []key{
	choice("layer", "How strong the wall is.", layers, func(p *Policy) *Layer { return &p.Layer }),
	group(
		"filesystem", "Files and folders of the host that may be used.",
		paths("read", "May be read and run.", readPathPattern, neverPathPattern, func(p *Policy) *[]string { return &p.Filesystem.Read }),
		paths("write", "May be written, and read.", writePathPattern, neverPathPattern+"|"+wholeHostPattern, func(p *Policy) *[]string { return &p.Filesystem.Write }),
		paths("protect", "Paths kept as they are inside what may be written, beyond the default set. Names without a leading / hold at any depth.", protectPattern, neverPathPattern, func(p *Policy) *[]string { return &p.Filesystem.Protect }),
	),
	networkKey(),
	group(
		"env", "Environment beyond the sandbox's own.",
		settings("set", "Variables with their values."),
		names("pass", "Names of variables taken from the caller's environment."),
	),
	group("limits", "What may be used up. A limit that is written is mandatory.", limitKeys()...),
	choice("syscalls", "Which system calls may be made.", profiles, func(p *Policy) *Profile { return &p.Syscalls }),
	flag("trace_denials", "Watch refused operations and report them; slower.", func(p *Policy) *bool { return &p.TraceDenials }),
	flag("best_effort", "Start even if something asked for cannot be enforced; the report says what.", func(p *Policy) *bool { return &p.BestEffort }),
}

// names of keys, in the order of the table.
func keyNames(keys []key) []string {
	all := make([]string, len(keys))
	for i, k := range keys {
		all[i] = k.name
	}
	return all
}

// readKeys reads a mapping by a table of keys.
func readKeys(r *reader, v value, p *Policy, keys []key) {
	if !r.isKind(v, yaml.MappingNode, "a mapping of keys") {
		return
	}
	r.pairs(v, func(name string, keyNode *yaml.Node, val value) {
		for _, k := range keys {
			if k.name == name {
				k.read(r, val, p)
				return
			}
		}
		r.unknown(value{keyNode, val.pointer}, name, keyNames(keys))
	})
}

// group is a key whose value is a mapping of known keys.
func group(name, doc string, keys ...key) key {
	return key{
		name: name, doc: doc, schema: mappingSchema(keys), keys: keys,
		read: func(r *reader, v value, p *Policy) { readKeys(r, v, p, keys) },
	}
}

// choice is a key whose value is one word of a closed list.
func choice[T ~string](name, doc string, options []option[T], field func(*Policy) *T) key {
	return key{
		name: name, doc: doc,
		schema: schema{"type": "string", "enum": readyWords(options)},
		read: func(r *reader, v value, p *Policy) {
			s, bad := texts.read(v.node)
			if bad != nil {
				r.report(v, bad)
				return
			}
			if s == "" {
				r.report(v, &flaw{"is empty", "write one of: " + words(options)})
				return
			}
			*field(p) = T(s)
		},
	}
}

// flag is a key whose value is true or false.
func flag(name, doc string, field func(*Policy) *bool) key {
	return key{name: name, doc: doc, schema: switches.schema, read: func(r *reader, v value, p *Policy) {
		on, bad := switches.read(v.node)
		if bad != nil {
			r.report(v, bad)
			return
		}
		*field(p) = on
	}}
}

// paths is a key whose value is a list of paths.
func paths(name, doc, pattern, never string, field func(*Policy) *[]string) key {
	item := schema{"type": "string", "pattern": pattern, "maxLength": maxPath, "not": schema{"pattern": never}}
	return key{
		name: name, doc: doc,
		schema: schema{"type": "array", "maxItems": maxPaths, "items": item},
		read:   func(r *reader, v value, p *Policy) { *field(p) = r.list(v) },
	}
}

// later is a key with a shape but no effect yet: only empty lists are valid.
func later(name, doc string, field func(*Policy) *[]string) key {
	return key{
		name: name, doc: doc,
		schema: schema{"type": "array", "items": schema{"type": "string"}, "maxItems": 0},
		read:   func(r *reader, v value, p *Policy) { *field(p) = r.list(v) },
	}
}

// names is the key env.pass.
func names(name, doc string) key {
	item := schema{"type": "string", "pattern": envNamePattern, "not": schema{"pattern": unpassablePattern()}}
	return key{
		name: name, doc: doc,
		schema: schema{"type": "array", "maxItems": maxVariables, "items": item},
		read:   func(r *reader, v value, p *Policy) { p.Env.Pass = r.list(v) },
	}
}

// settings is the key env.set.
func settings(name, doc string) key {
	return key{
		name: name, doc: doc,
		schema: schema{
			"type":                 "object",
			"propertyNames":        schema{"pattern": envNamePattern},
			"additionalProperties": schema{"type": "string", "pattern": `^[^\x00]*$`},
		},
		read: readSettings,
	}
}

func readSettings(r *reader, v value, p *Policy) {
	if !r.isKind(v, yaml.MappingNode, "a mapping of names to texts") {
		return
	}
	r.pairs(v, func(name string, _ *yaml.Node, val value) {
		s, bad := texts.read(val.node)
		if bad != nil {
			r.report(val, bad)
			return
		}
		if p.Env.Set == nil {
			p.Env.Set = map[string]string{}
		}
		p.Env.Set[name] = s
	})
}

// networkKey is "none" or a mapping.
func networkKey() key {
	keys := []key{later("allow", "Hosts that may be reached. Not supported yet: only an empty list.",
		func(p *Policy) *[]string { return &p.Network.Allow })}
	return key{
		name: "network", doc: "What may be reached: none.", keys: keys,
		schema: schema{"oneOf": []any{schema{"const": "none"}, mappingSchema(keys)}},
		read: func(r *reader, v value, p *Policy) {
			switch {
			case v.node.Kind == yaml.MappingNode:
				readKeys(r, v, p, keys)
			case !isTag(v.node, "!!str") || v.node.Value != "none":
				r.report(v, expects("none or a mapping with allow", v.node))
			}
		},
	}
}

// limitKeys makes a key of each row of the table of limits.
func limitKeys() []key {
	keys := make([]key, len(limits))
	for i, row := range limits {
		doc := fmt.Sprintf("%s Default: %s; from %s to %s.", row.doc, row.fallback, row.least, row.most)
		keys[i] = key{
			name: row.name, doc: doc, schema: row.schema,
			read: func(r *reader, v value, p *Policy) { row.copy(&p.Limits, row.read(r, v)) },
		}
	}
	return keys
}

// option is a word of a closed list.
type option[T ~string] struct {
	word  T
	ready bool // false: known, and not supported yet
}

// layers is the closed list of layers, from the weakest wall to the strongest.
var layers = []option[Layer]{
	{Host, true}, {Native, true}, {Wasm, false}, {GVisor, false}, {MicroVM, false},
}

// profiles is the closed list of system call profiles, the narrowest first.
var profiles = []option[Profile]{{Strict, true}, {Default, true}}

// words lists the words that can be used.
func words[T ~string](options []option[T]) string {
	return strings.Join(readyWords(options), ", ")
}

func readyWords[T ~string](options []option[T]) []string {
	var all []string
	for _, o := range options {
		if o.ready {
			all = append(all, string(o.word))
		}
	}
	return all
}
