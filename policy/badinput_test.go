package policy

import (
	"strings"
	"testing"
)

// badInputs are texts with one thing wrong, and the whole message.
var badInputs = []struct{ name, text, want string }{
	// the document
	{"an empty file", "", `p: the policy is empty; write {} for a policy that grants nothing`},
	{"only comments", "# read: [/]\n", `p: the policy is empty; write {} for a policy that grants nothing`},
	{"an empty document", "---\n", `p:2:1: expects a mapping of keys, got nothing; give it a value or remove the key`},
	{"null", "null\n", `p:1:1: expects a mapping of keys, got nothing; give it a value or remove the key`},
	{"null in JSON", " null", `p:1:2: expects a mapping of keys, got nothing; give it a value or remove the key`},
	{"a list", "- read\n", `p:1:1: expects a mapping of keys, got a list`},
	{"a word", "allow\n", `p:1:1: expects a mapping of keys, got the text "allow"`},
	{"broken YAML", "layer: native\nfilesystem: [\n", `p:2: broken YAML: did not find expected node content`},
	{"YAML indented by tabs", "limits:\n\tpids: 3\n", `p:2: broken YAML: found character that cannot start any token`},
	{"broken JSON", `{"layer": "native",`, `p:1: broken YAML: did not find expected node content`},
	{"two documents", "layer: native\n---\nlayer: host\n", `p:2:1: a second document begins here; keep one policy in a file`},
	{"not UTF-8", "layer: \xff\n", `p: the text is not UTF-8`},
	{"more than a megabyte", strings.Repeat("#", MaxSize+1), `p: the text has 1048577 bytes; at most 1048576 are read`},
	{"too deep", strings.Repeat("[", 20) + strings.Repeat("]", 20), "p:1:1: expects a mapping of keys, got a list\np:1:17: /0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0: nests deeper than 16 levels"},

	// what a policy does without
	{"an anchor", "env: {pass: &a [TERM]}\n", `p:1:13: /env/pass: anchors are not allowed; write the value out where it is used`},
	{"an alias", "env: {pass: [*a]}\n", `p: broken YAML: unknown anchor 'a' referenced`},
	{"a merge key", "env: {<<: {pass: [TERM]}}\n", `p:1:7: /env/<<: a key must be a plain name; write the entries out`},
	{"a tag", "layer: !!str native\n", `p:1:8: /layer: the tag "!!str" is not allowed; remove it`},
	{"a local tag", "layer: !x native\n", `p:1:8: /layer: the tag "!x" is not allowed; remove it`},
	{"a mapping as a key", "? {a: b}\n: c\n", `p:1:3: /: a key must be a plain name; write the entries out`},
	{"a key twice", "layer: native\nlayer: host\n", `p:2:1: /layer: the key is written twice, first on line 1; keep one`},
	{"a key twice in JSON", "{\"layer\": \"native\",\n \"layer\": \"host\"}", `p:2:2: /layer: the key is written twice, first on line 1; keep one`},
	{"a variable twice", "env: {set: {A: x, A: y}}\n", `p:1:19: /env/set/A: the key is written twice, first on line 1; keep one`},

	// keys
	{"an unknown key near a known one", "filesytem: {}\n", `p:1:1: /filesytem: unknown key "filesytem"; did you mean "filesystem"?`},
	{"an unknown key near none", "volumes: []\n", `p:1:1: /volumes: unknown key "volumes"; known here: layer, filesystem, network, env, limits, syscalls, trace_denials, best_effort`},
	{"an unknown key in a group", "filesystem: {wirte: []}\n", `p:1:14: /filesystem/wirte: unknown key "wirte"; did you mean "write"?`},
	{"a key in capitals", "Layer: native\n", `p:1:1: /Layer: unknown key "Layer"; did you mean "layer"?`},
	{"a number as a key", "1: x\n", `p:1:1: /1: unknown key "1"; known here: layer, filesystem, network, env, limits, syscalls, trace_denials, best_effort`},
	{"a key without a value", "filesystem:\n", `p:1:12: /filesystem: expects a mapping of keys, got nothing; give it a value or remove the key`},
	{"a slash in a key", "a/b~c: 1\n", `p:1:1: /a~1b~0c: unknown key "a/b~c"; known here: layer, filesystem, network, env, limits, syscalls, trace_denials, best_effort`},

	// words
	{"an unknown layer", "layer: docker\n", `p:1:8: /layer: unknown word "docker"; use one of: host, native`},
	{"a misspelt layer", "layer: nativ\n", `p:1:8: /layer: unknown word "nativ"; did you mean "native"?`},
	{"a layer that is still to come", "layer: gvisor\n", `p:1:8: /layer: "gvisor" is not supported yet; use one of: host, native`},
	{"an empty layer", "layer: ''\n", `p:1:8: /layer: is empty; write one of: host, native`},
	{"a truth value as a layer", "layer: true\n", `p:1:8: /layer: expects a text, got the truth value "true"; put it in quotes: "true"`},
	{"an unknown profile", "syscalls: all\n", `p:1:11: /syscalls: unknown word "all"; use one of: strict, default`},
	{"yes for true", "best_effort: yes\n", `p:1:14: /best_effort: expects true or false, got the text "yes"`},
	{"a text for true", "trace_denials: 'true'\n", `p:1:16: /trace_denials: expects true or false, got the text "true"`},

	// network
	{"network as a truth value", "network: false\n", `p:1:10: /network: expects none or a mapping with allow, got the truth value "false"`},
	{"network all", "network: all\n", `p:1:10: /network: expects none or a mapping with allow, got the text "all"`},
	{"network null", "network: ~\n", `p:1:10: /network: expects none or a mapping with allow, got nothing; give it a value or remove the key`},
	{"allowed hosts", "network: {allow: [api.example]}\n", `p:1:18: /network/allow: allowed hosts are not supported yet; write network: none`},
	{"denied hosts", "network: {deny: [x]}\n", `p:1:11: /network/deny: unknown key "deny"; known here: allow`},

	// paths
	{"one path instead of a list", "filesystem: {read: /usr}\n", `p:1:20: /filesystem/read: expects a list of texts, got the text "/usr"`},
	{"a number as a path", "filesystem: {read: [7]}\n", `p:1:21: /filesystem/read/0: expects a text, got the number "7"; put it in quotes: "7"`},
	{"an empty path", "filesystem: {read: ['']}\n", `p:1:21: /filesystem/read/0: is empty; write a path`},
	{"a relative path", "filesystem: {read: [src]}\n", `p:1:21: /filesystem/read/0: "src" is not absolute; begin with /, ~/ or $WORKSPACE/`},
	{"a path through a parent", "filesystem: {read: [/usr/../etc]}\n", `p:1:21: /filesystem/read/0: "/usr/../etc" contains ".."; write the path without it`},
	{"a parent behind the workspace", "filesystem: {write: [$WORKSPACE/..]}\n", `p:1:22: /filesystem/write/0: "$WORKSPACE/.." contains ".."; write the path without it`},
	{"the whole host to write", "filesystem: {write: [/]}\n", `p:1:22: /filesystem/write/0: the whole host may not be granted for writing; name the folders`},
	{"the whole host in disguise", "filesystem: {write: [//./]}\n", `p:1:22: /filesystem/write/0: the whole host may not be granted for writing; name the folders`},
	{"a NUL in a path", `filesystem: {read: ["/a\0b"]}`, `p:1:21: /filesystem/read/0: "/a\x00b" contains a control character`},
	{"a line break in a path", `filesystem: {read: ["/a\nb"]}`, `p:1:21: /filesystem/read/0: "/a\nb" contains a control character`},
	{"the home of another", "filesystem: {read: [~bob/x]}\n", `p:1:21: /filesystem/read/0: "~bob/x" names the home of somebody else; write the path out`},
	{"a variable in a path", "filesystem: {read: [$HOME/x]}\n", `p:1:21: /filesystem/read/0: "$HOME/x" has a $ that nothing expands; only a leading $WORKSPACE, and ${inputs.NAME} in filesystem.read, are expanded`},
	{"the workspace in the middle", "filesystem: {read: [/x/$WORKSPACE]}\n", `p:1:21: /filesystem/read/0: "/x/$WORKSPACE" has a $ that nothing expands; only a leading $WORKSPACE, and ${inputs.NAME} in filesystem.read, are expanded`},
	{"a longer name than the workspace", "filesystem: {read: [$WORKSPACES/x]}\n", `p:1:21: /filesystem/read/0: "$WORKSPACES/x" has a $ that nothing expands; only a leading $WORKSPACE, and ${inputs.NAME} in filesystem.read, are expanded`},
	{"an input to write", "filesystem: {write: ['${inputs.out}']}\n", `p:1:22: /filesystem/write/0: "${inputs.out}" takes a path to write from an input; write the path out; inputs stand only in filesystem.read`},
	{"a pattern", "filesystem: {read: [/home/*/src]}\n", `p:1:21: /filesystem/read/0: "/home/*/src" has a *, and patterns are not expanded; grant the folder: it covers everything beneath`},
	{"the host's processes", "filesystem: {read: [/proc/1]}\n", `p:1:21: /filesystem/read/0: /proc of the host may not be granted; the sandbox has its own`},
	{"the host's devices", "filesystem: {write: [/dev]}\n", `p:1:22: /filesystem/write/0: /dev of the host may not be granted; the sandbox has its own`},
	{"a protected path with ..", "filesystem: {protect: [/x/../y]}\n", `p:1:24: /filesystem/protect/0: "/x/../y" contains ".."; write the path without it`},
	{"a protected name with a variable", "filesystem: {protect: [a/$HOME]}\n", `p:1:24: /filesystem/protect/0: "a/$HOME" has a $ that nothing expands; only a leading $WORKSPACE is expanded`},
	{"a path that is too long", "filesystem: {read: [/" + strings.Repeat("a", maxPath) + "]}\n", `p:1:21: /filesystem/read/0: has 4096 bytes; a path has at most 4095`},
	{"too many paths", "filesystem: {read: [" + strings.Repeat("/a,", 257) + "]}\n", `p:1:13: /filesystem: has 257 paths; at most 256 are allowed; grant the folder that holds them`},

	// environment
	{"a number as a value", "env: {set: {PORT: 8080}}\n", `p:1:19: /env/set/PORT: expects a text, got the number "8080"; put it in quotes: "8080"`},
	{"a date as a value", "env: {set: {DAY: 2020-01-01}}\n", `p:1:18: /env/set/DAY: expects a text, got the date "2020-01-01"; put it in quotes: "2020-01-01"`},
	{"an equals sign in a name", "env: {set: {A=B: c}}\n", `p:1:18: /env/set/A=B: "A=B" is not a name of a variable; use letters, digits and _, not beginning with a digit`},
	{"an empty name", "env: {pass: ['']}\n", `p:1:14: /env/pass/0: "" is not a name of a variable; use letters, digits and _, not beginning with a digit`},
	{"a NUL in a value", `env: {set: {A: "x\0"}}`, `p:1:16: /env/set/A: the value contains a NUL byte`},
	{"a value that is too long", "env: {set: {A: " + strings.Repeat("x", maxSetting-2) + "}}\n", `p:1:16: /env/set/A: the value has 131070 bytes; the kernel takes less than 131072; put it in a file`},
	{"the loader's variables passed", "env: {pass: [LD_PRELOAD]}\n", `p:1:14: /env/pass/0: LD_PRELOAD may not be passed: it steers the dynamic loader; write its value in env.set if the program needs it`},
	{"our own settings passed", "env: {pass: [BULKHEAD_TOKEN]}\n", `p:1:14: /env/pass/0: BULKHEAD_TOKEN may not be passed: it configures Bulkhead itself; write its value in env.set if the program needs it`},
	{"set and passed", "env: {set: {A: x}, pass: [A]}\n", `p:1:27: /env/pass/0: "A" is also set; keep it in env.set or in env.pass`},
	{"a pattern of names", "env: {pass: ['AWS_*']}\n", `p:1:14: /env/pass/0: "AWS_*" is not a name of a variable; use letters, digits and _, not beginning with a digit`},

	// limits
	{"a negative size", "limits: {memory: -1}\n", `p:1:18: /limits/memory: "-1" is not a size such as 512M; write whole bytes, or a whole number with K, M, G or T`},
	{"a size with a fraction", "limits: {memory: 1.5G}\n", `p:1:18: /limits/memory: "1.5G" is not a size such as 512M; write whole bytes, or a whole number with K, M, G or T`},
	{"a fraction of a byte", "limits: {memory: 1.5}\n", `p:1:18: /limits/memory: expects a size such as 512M, got the number "1.5"`},
	{"a zero size", "limits: {memory: 0}\n", `p:1:18: /limits/memory: 0 is not a limit; leave the key out for the default, 2G`},
	{"a size that is absurdly small", "limits: {memory: 1}\n", `p:1:18: /limits/memory: 1 is outside 1M to 16T`},
	{"a size that is absurdly large", "limits: {memory: 17T}\n", `p:1:18: /limits/memory: 17T is outside 1M to 16T`},
	{"a size that fits no number", "limits: {memory: 99999999999999999999}\n", `p:1:18: /limits/memory: expects a size such as 512M, got the number "99999999999999999999"`},
	{"an octal size", "limits: {output: 0777}\n", `p:1:18: /limits/output: "0777" is not a size such as 512M; write whole bytes, or a whole number with K, M, G or T`},
	{"a time without a unit", "limits: {wall_time: 30}\n", `p:1:21: /limits/wall_time: "30" has no unit; write "30s" for seconds`},
	{"a time in words", "limits: {wall_time: soon}\n", `p:1:21: /limits/wall_time: "soon" is not a time; write it like "30s", "5m" or "1h30m"`},
	{"a negative time", "limits: {wall_time: -5s}\n", `p:1:21: /limits/wall_time: "-5s" is negative`},
	{"no time at all", "limits: {wall_time: 0s}\n", `p:1:21: /limits/wall_time: 0 is not a limit; leave the key out for the default, no limit`},
	{"ten years", "limits: {wall_time: 87600h}\n", `p:1:21: /limits/wall_time: 87600h is outside 1ms to 8760h`},
	{"not a number", "limits: {cpus: .nan}\n", `p:1:16: /limits/cpus: ".nan" is not a finite decimal number`},
	{"an infinite number", "limits: {cpus: .inf}\n", `p:1:16: /limits/cpus: ".inf" is not a finite decimal number`},
	{"a negative number", "limits: {cpus: -1}\n", `p:1:16: /limits/cpus: -1 is outside 0.01 to 4096`},
	{"a number as a text", "limits: {cpus: '2'}\n", `p:1:16: /limits/cpus: expects a number, got the text "2"`},
	{"a number too large for any", "{\"limits\": {\"cpus\": 1e999}}", `p:1:21: /limits/cpus: "1e999" is not a finite decimal number`},
	{"no processes", "limits: {pids: 0}\n", `p:1:16: /limits/pids: 0 is not a limit; leave the key out for the default, 512`},
	{"negative processes", "limits: {pids: -3}\n", `p:1:16: /limits/pids: -3 is outside 1 to 4194304`},
	{"half a process", "limits: {pids: 1.5}\n", `p:1:16: /limits/pids: expects a whole number, got the number "1.5"`},
	{"grouped digits", "limits: {pids: 1_000}\n", `p:1:16: /limits/pids: "1_000" is not a plain decimal number`},
	{"hexadecimal", "limits: {pids: 0x10}\n", `p:1:16: /limits/pids: "0x10" is not a plain decimal number`},
	{"too few open files", "limits: {open_files: 3}\n", `p:1:22: /limits/open_files: 3 is outside 16 to 1048576`},
	{"an unknown limit", "limits: {memmory: 1G}\n", `p:1:10: /limits/memmory: unknown key "memmory"; did you mean "memory"?`},
}

func TestParse_rejectsBadInput(t *testing.T) {
	if got, want := len(badInputs), 95; got < want {
		t.Errorf("the table has %d rows, want at least %d", got, want)
	}
	for _, row := range badInputs {
		t.Run(row.name, func(t *testing.T) {
			got, err := Parse("p", []byte(row.text))
			if err == nil {
				t.Fatalf("Parse took it as %+v", got)
			}
			if err.Error() != row.want {
				t.Errorf("Parse says\n%s\nwant\n%s", err, row.want)
			}
		})
	}
}
