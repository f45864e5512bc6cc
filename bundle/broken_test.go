package bundle

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
)

// broken is the sound manifest with one text replaced, and everything that is
// said about it.
type broken struct {
	name     string
	old, new string // old is replaced by new; an empty old replaces all
	want     []string
}

var brokenManifests = []broken{
	// The text.
	{"empty", "", " \n", []string{`manifest.json: is empty; it must hold one JSON object`}},
	{"not JSON", "", "id: demo\n", []string{`manifest.json:1:1: broken JSON: invalid character 'i' looking for beginning of value`}},
	{"comma missing", `"demo",`, `"demo"`, []string{`manifest.json:4:3: broken JSON: invalid character '"' after object key:value pair`}},
	{"cut off", "", `{"id": "de`, []string{`manifest.json:1:11: broken JSON: unexpected end of JSON input`}},
	{"trailing data", "", `{} {}`, []string{`manifest.json:1:4: more data after the end of the JSON value; a manifest is one object; remove what follows it`}},
	{"key twice", `"id": "demo",`, `"id": "demo", "id": "other",`, []string{`manifest.json:3:17: /id: key "id" is given twice; keep one of them`}},
	{"key twice, written otherwise", `"id": "demo",`, `"id": "demo", "\u0069d": "other",`, []string{`manifest.json:3:17: /id: key "id" is given twice; keep one of them`}},
	{"array", "", `[]`, []string{`manifest.json:1:1: a manifest is a JSON object, this is an array`}},
	{"byte order mark", "", "\ufeff{}", []string{`manifest.json:1:1: starts with a byte order mark; save it as plain UTF-8`}},
	{"Latin-1", `"demo"`, "\"d\xe9mo\"", []string{`manifest.json:3:11: is not UTF-8; save it as UTF-8`}},
	{"deep", `"demo"`, strings.Repeat("[", 150) + strings.Repeat("]", 150), []string{`manifest.json:3:108: /id` + strings.Repeat("/0", 99) + `: nested more than 100 deep`}},

	// The head.
	{"no apiVersion", `"apiVersion": "bulkhead/v1",`, ``, []string{`manifest.json:1:1: apiVersion is missing; add "apiVersion": "bulkhead/v1"`}},
	{"later apiVersion", `bulkhead/v1`, `bulkhead/v2`, []string{`manifest.json:2:17: /apiVersion: apiVersion "bulkhead/v2" is not known; this version reads "bulkhead/v1"`}},
	{"foreign apiVersion", `"bulkhead/v1"`, `7`, []string{`manifest.json:2:17: /apiVersion: apiVersion is 7, not "bulkhead/v1"`}},
	{"unknown key", `"entrypoints"`, `"entrypoint"`, []string{
		`manifest.json:13:3: /entrypoint: unknown key "entrypoint" in the manifest; did you mean "entrypoints"?`,
		`manifest.json:1:1: /entrypoints: the bundle has no entrypoint; name the nodes that start the job`,
	}},
	{"far unknown key", `"id": "demo"`, `"id": "demo", "zzzzzz": 1`, []string{
		`manifest.json:3:17: /zzzzzz: unknown key "zzzzzz" in the manifest; known: apiVersion, concurrency, description, edges, entrypoints, failure_policy, id, initial_inputs, inputs, name, nodes, policy`,
	}},
	{"id missing", `"id": "demo",`, ``, []string{`manifest.json:1:1: /id: the bundle has no id; use 1 to 64 of A-Z a-z 0-9 . _ - and begin with a letter, a digit or _`}},
	{"id is a path", `"demo"`, `"../etc"`, []string{`manifest.json:3:9: /id: "../etc" is not an id; use 1 to 64 of A-Z a-z 0-9 . _ - and begin with a letter, a digit or _`}},
	{"id is an option", `"demo"`, `"-rf"`, []string{`manifest.json:3:9: /id: "-rf" is not an id; use 1 to 64 of A-Z a-z 0-9 . _ - and begin with a letter, a digit or _`}},
	{"id is a number", `"demo"`, `7`, []string{`manifest.json:3:9: /id: must be a string, is a number`}},
	{"name of two lines", `"id": "demo"`, `"id": "demo", "name": "a\nb"`, []string{`manifest.json:3:25: /name: must be one line of at most 256 bytes`}},
	{"concurrency zero", `"id": "demo"`, `"id": "demo", "concurrency": 0`, []string{`manifest.json:3:32: /concurrency: must be a whole number from 1 to 1000, is 0`}},
	{"concurrency a fraction", `"id": "demo"`, `"id": "demo", "concurrency": 1.5`, []string{`manifest.json:3:32: /concurrency: must be a whole number from 1 to 1000, is 1.5`}},
	{"failure policy", `"id": "demo"`, `"id": "demo", "failure_policy": "fail-job"`, []string{
		`manifest.json:5:5: /nodes/0/failure_policy: "fail-job" is not known; did you mean "fail_job"?`,
		`manifest.json:6:5: /nodes/1/failure_policy: "fail-job" is not known; did you mean "fail_job"?`,
		`manifest.json:7:5: /nodes/2/failure_policy: "fail-job" is not known; did you mean "fail_job"?`,
	}},

	// Nodes.
	{"no nodes", "", `{"apiVersion": "bulkhead/v1", "id": "demo", "entrypoints": []}`, []string{
		`manifest.json:1:1: /nodes: the bundle has no nodes; add at least one executor`,
		`manifest.json:1:60: /entrypoints: the bundle has no entrypoint; name the nodes that start the job`,
	}},
	{"nodes an object", "", `{"apiVersion": "bulkhead/v1", "id": "demo", "nodes": {}, "entrypoints": ["a"]}`, []string{
		`manifest.json:1:54: /nodes: must be an array, is an object`,
		`manifest.json:1:74: /entrypoints/0: there is no node "a"`,
	}},
	{"node a string", `{"id": "pass", "type": "router", "config": {"emit_type": "part"}}`, `"pass"`, []string{
		`manifest.json:6:5: /nodes/1: must be an object, is a string`,
		`manifest.json:10:29: /edges/0/to: there is no node "pass"; known: gather, split`,
		`manifest.json:11:28: /edges/1/from: there is no node "pass"; known: gather, split`,
	}},
	{"id twice", `"id": "pass"`, `"id": "split"`, []string{
		`manifest.json:6:12: /nodes/1/id: id "split" is already that of /nodes/0; give each node an id of its own`,
		`manifest.json:10:29: /edges/0/to: there is no node "pass"; known: gather, split`,
		`manifest.json:11:28: /edges/1/from: there is no node "pass"; known: gather, split`,
	}},
	{"node without type", `"type": "router", `, ``, []string{`manifest.json:6:5: /nodes/1/type: the node has no type; use one of: router, executor, aggregator`}},
	{"unknown type", `"router"`, `"ruoter"`, []string{`manifest.json:6:28: /nodes/1/type: "ruoter" is not known; did you mean "router"?`}},
	{"sensor", `"router", "config": {"emit_type": "part"}`, `"sensor", "config": {"every": "1m"}`, []string{
		`manifest.json:6:28: /nodes/1/type: sensor nodes are not supported yet; let an executor wait, or start the job when the event has come`,
	}},
	{"key of another kind", `"emit_type": "part"`, `"command": ["true"]`, []string{
		`manifest.json:6:49: /nodes/1/config/command: unknown key "command" in the config of a router; it belongs in the config of an executor`,
	}},
	{"unknown key in config", `"complete_after"`, `"complete_aftr"`, []string{
		`manifest.json:7:55: /nodes/2/config/complete_aftr: unknown key "complete_aftr" in the config of an aggregator; did you mean "complete_after"?`,
	}},
	{"executor key outside config", `"type": "router"`, `"type": "router", "timeout": "3s"`, []string{
		`manifest.json:6:38: /nodes/1/timeout: unknown key "timeout" in a node; it belongs in the config of an executor`,
	}},
	{"node concurrency twice", `"type": "executor", "config": {`, `"type": "executor", "concurrency": 2, "config": {"concurrency": 3, `, []string{
		`manifest.json:5:85: /nodes/0/config/concurrency: concurrency stands in the node and in its config; keep one of them`,
	}},
	{"emit type with a space", `"emit_type": "part"`, `"emit_type": "a part"`, []string{
		`manifest.json:6:62: /nodes/1/config/emit_type: "a part" is not a message type; use at most 128 bytes without white space`,
	}},
	{"complete after nothing", `"complete_after": 2`, `"complete_after": 0`, []string{
		`manifest.json:7:73: /nodes/2/config/complete_after: must be a whole number from 1 to 1000000, is 0`,
	}},

	// Executors.
	{"no command", `"command": ["python3", "split.py"], `, ``, []string{
		`manifest.json:5:51: /nodes/0/config/command: the executor has no command; give an array, such as ["python3", "worker.py"], or a string of shell text`,
	}},
	{"no config", `"config": {"command": ["python3", "split.py"], "uploads": [{"source": "split.py"}]}`, `"concurrency": 1`, []string{
		`manifest.json:5:5: /nodes/0/config/command: the executor has no command; give an array, such as ["python3", "worker.py"], or a string of shell text`,
	}},
	{"empty command", `["python3", "split.py"]`, `[]`, []string{
		`manifest.json:5:63: /nodes/0/config/command: the executor has no command; give an array, such as ["python3", "worker.py"], or a string of shell text`,
	}},
	{"number in command", `["python3", "split.py"]`, `["python3", 3]`, []string{
		`manifest.json:5:75: /nodes/0/config/command/1: must be a string, is a number`,
	}},
	{"command an object", `["python3", "split.py"]`, `{}`, []string{
		`manifest.json:5:63: /nodes/0/config/command: must be an array of strings or a string, is an object`,
	}},
	{"NUL in command", `["python3", "split.py"]`, `["python3", "a\u0000b"]`, []string{
		`manifest.json:5:75: /nodes/0/config/command/1: contains a NUL byte, which no argument can hold`,
	}},
	executorRow("runner of later", `"runner": "gvisor"`, 98, `/runner: runner gvisor is not supported yet; use native`),
	executorRow("runner misspelt", `"runner": "hsot"`, 98, `/runner: "hsot" is not known; did you mean "host"?`),
	executorRow("runner empty", `"runner": ""`, 98, `/runner: the runner is empty; leave it out for native`),
	executorRow("workdir outside", `"workdir": "a/../../b"`, 99, `/workdir: "a/../../b" is outside the work folder; write it relative to the work folder`),
	executorRow("timeout a number", `"timeout": 30`, 99, `/timeout: must be a string with a unit, is a number; write "30s" for seconds`),
	executorRow("timeout negative", `"timeout": "-3s"`, 99, `/timeout: must not be negative, is -3s`),
	executorRow("timeout nonsense", `"timeout": "soon"`, 99, `/timeout: "soon" is not a duration; write a number and a unit, such as "500ms", "30s", "5m" or "1h30m"`),
	executorRow("slots", `"slots": 0`, 97, `/slots: must be a whole number from 1 to 1000, is 0`),
	executorRow("pool", `"pool": "a/b"`, 96, `/pool: "a/b" is not an id; use 1 to 64 of A-Z a-z 0-9 . _ - and begin with a letter, a digit or _`),
	executorRow("image", `"image": "-v /:/host"`, 97, `/image: "-v /:/host" is not the name of an image; write it like "python:3.12" or "registry.example.org/team/image@sha256:…"`),
	executorRow("env name", `"env": {"A-B": "1"}`, 103, `/env/A-B: "A-B" is not a name of a variable; use letters, digits and _, not beginning with a digit`),
	executorRow("env value", `"env": {"A": 1}`, 101, `/env/A: must be a string, is a number`),
	executorRow("pass_env name", `"pass_env": ["A=B"]`, 101, `/pass_env/0: "A=B" is not a name of a variable; use letters, digits and _, not beginning with a digit`),
	executorRow("pass_env of the loader", `"pass_env": ["LD_PRELOAD"]`, 101, `/pass_env/0: LD_PRELOAD may not be passed: it steers the dynamic loader; write its value in env.set if the program needs it`),
	executorRow("env and pass_env", `"env": {"A": "1"}, "pass_env": ["A"]`, 120, `/pass_env/0: "A" is also set; keep it in env.set or in env.pass`),
	executorRow("retry cause", `"retry": {"max_attempts": 2, "on": ["timeouts"]}`, 124, `/retry/on/0: "timeouts" is not known; did you mean "timeout"?`),
	executorRow("retry exit code", `"retry": {"max_attempts": 2, "on": ["exit:3", "exit:256"]}`, 134, `/retry/on/1: "256" is not an exit code; write exit:1 to exit:255`),
	executorRow("retry exit code zero", `"retry": {"max_attempts": 2, "on": ["exit:0"]}`, 124, `/retry/on/0: "0" is not an exit code; write exit:1 to exit:255`),
	executorRow("retry attempts", `"retry": {"max_attempts": 1000}`, 114, `/retry/max_attempts: must be a whole number from 1 to 100, is 1000`),
	executorRow("retry jitter", `"retry": {"jitter": 2}`, 108, `/retry/jitter: must be a number from 0 to 1, is 2`),
	executorRow("retry backoff", `"retry": {"backoff": "2s", "max_backoff": "1s"}`, 130, `/retry/max_backoff: max_backoff 1s is less than backoff 2s`),
	executorRow("retry key", `"retry": {"attempts": 2}`, 98, `/retry/attempts: unknown key "attempts" in retry; known: backoff, jitter, max_attempts, max_backoff, on`),
	executorRow("external", `"external": [""]`, 101, `/external/0: must be a text of 1 to 256 bytes; name what is called, such as "https://api.example.org"`),
	executorRow("policy key", `"policy": {"filesystem": {"raed": []}}`, 122, `/policy/filesystem/raed: unknown key "raed"; did you mean "read"?`),
	executorRow("policy path", `"policy": {"filesystem": {"write": ["etc"]}}`, 124, `/policy/filesystem/write/0: "etc" is not absolute; begin with /, ~/ or $WORKSPACE/`),
	executorRow("input not declared", `"policy": {"filesystem": {"read": ["${inputs.tree}"]}}`, 123, `/policy/filesystem/read/0: "${inputs.tree}" names no input; declare it in inputs`),

	// Uploads.
	{"upload missing", `{"source": "split.py"}`, `{"source": "spilt.py"}`, []string{`manifest.json:5:111: /nodes/0/config/uploads/0/source: payloads/ has no "spilt.py"; did you mean "split.py"?`}},
	{"upload without source", `{"source": "split.py"}`, `{"target": "split.py"}`, []string{`manifest.json:5:100: /nodes/0/config/uploads/0/source: source is missing; name a file or folder under payloads/`}},
	{"upload from outside", `{"source": "split.py"}`, `{"source": "../../etc/passwd"}`, []string{`manifest.json:5:111: /nodes/0/config/uploads/0/source: "../../etc/passwd" is outside payloads/; name a file or folder under payloads/, relative to it`}},
	{"upload from the host", `{"source": "split.py"}`, `{"source": "/etc/passwd"}`, []string{`manifest.json:5:111: /nodes/0/config/uploads/0/source: "/etc/passwd" is outside payloads/; name a file or folder under payloads/, relative to it`}},
	{"upload to outside", `{"source": "split.py"}`, `{"source": "split.py", "target": "../x"}`, []string{`manifest.json:5:133: /nodes/0/config/uploads/0/target: "../x" is outside the work folder; write it relative to the work folder`}},
	{"upload over the work folder", `{"source": "split.py"}`, `{"source": "split.py", "target": "a/.."}`, []string{`manifest.json:5:133: /nodes/0/config/uploads/0/target: a file cannot take the place of the work folder; leave target out for the file's own name`}},
	{"uploads to one place", `{"source": "split.py"}`, `{"source": "split.py"}, {"source": "./split.py", "target": "./split.py"}`, []string{
		`manifest.json:5:159: /nodes/0/config/uploads/1/target: "split.py" is also the target of upload 0; give each a target of its own`,
	}},

	// Edges, entrypoints, inputs.
	{"edge from nowhere", `"from": "split"`, `"from": "splti"`, []string{
		`manifest.json:10:14: /edges/0/from: there is no node "splti"; did you mean "split"?`,
	}},
	{"edge to nowhere", `"to": "gather"`, `"to": "gahter"`, []string{
		`manifest.json:11:42: /edges/1/to: there is no node "gahter"; did you mean "gather"?`,
	}},
	{"edge without type", `, "type": "*"`, ``, []string{`manifest.json:11:5: /edges/1/type: type is missing; name a message type, or "*" for every type`}},
	{"edge without end", `"to": "gather", `, ``, []string{
		`manifest.json:11:5: /edges/1/to: to is missing; name a node`,
	}},
	{"edge accepts", `"done"`, `"dnoe"`, []string{
		`manifest.json:11:76: /edges/1/accepts: "dnoe" is not known; did you mean "done"?`,
	}},
	{"edge mode", `"accepts": "done"`, `"mode": "random"`, []string{
		`manifest.json:11:73: /edges/1/mode: "random" is not known; use one of: broadcast, first_match`,
	}},
	{"edge twice", `{"id": "last", "from"`, `{"from": "split", "to": "pass", "type": "part"}, {"id": "last", "from"`, []string{`manifest.json:11:5: /edges/1/id: the same as /edges/0; remove one of them, or give each an id of its own`}},
	{"edge id", `"id": "last"`, `"id": ".."`, []string{`manifest.json:11:12: /edges/1/id: ".." is not an id; use 1 to 64 of A-Z a-z 0-9 . _ - and begin with a letter, a digit or _`}},
	{"entrypoint unknown", `"entrypoints": ["split"]`, `"entrypoints": ["splat"]`, []string{
		`manifest.json:13:19: /entrypoints/0: there is no node "splat"; did you mean "split"?`,
	}},
	{"entrypoint twice", `"entrypoints": ["split"]`, `"entrypoints": ["split", "split"]`, []string{`manifest.json:13:28: /entrypoints/1: entrypoint "split" is given twice; keep one of them`}},
	{"unreachable node", `"to": "gather"`, `"to": "pass"`, []string{`manifest.json:7:5: /nodes/2: no message can reach node "gather"; add an edge to it or make it an entrypoint`}},
	{"initial input of nobody", `"id": "demo"`, `"id": "demo", "initial_inputs": {"spilt": {}}`, []string{`manifest.json:3:45: /initial_inputs/spilt: there is no node "spilt"; did you mean "split"?`}},
	{"initial input of another", `"id": "demo"`, `"id": "demo", "initial_inputs": {"pass": {}}`, []string{`manifest.json:3:44: /initial_inputs/pass: node "pass" is not an entrypoint; add it to entrypoints`}},
	{"initial input empty", `"id": "demo"`, `"id": "demo", "initial_inputs": {"split": []}`, []string{`manifest.json:3:45: /initial_inputs/split: holds no message; leave it out for one empty message, {}`}},
	{"input name", `"id": "demo"`, `"id": "demo", "inputs": {"a b": {}}`, []string{`manifest.json:3:35: /inputs/a b: "a b" is not a name of an input; use 1 to 64 of A-Z a-z 0-9 _ - and begin with a letter or _`}},
	{"input default null", `"id": "demo"`, `"id": "demo", "inputs": {"a": {"default": null}}`, []string{`manifest.json:3:45: /inputs/a/default: a default may not be null; leave it out to make the input required`}},
	{"input misspelt", `"id": "demo"`, `"id": "demo", "inputs": {"trees": {}}, "policy": {"filesystem": {"read": ["${inputs.tree}"]}}`, []string{
		`manifest.json:3:77: /policy/filesystem/read/0: "${inputs.tree}" names no input; did you mean "trees"?`,
	}},
	{"input not closed", `"split.py"]`, `"${inputs.tree"]`, []string{
		`manifest.json:5:75: /nodes/0/config/command/1: a "${inputs." is not closed; write ${inputs.NAME}`,
	}},
}

// executorRow breaks the executor by one more key in its config.
func executorRow(name, key string, column int, want string) broken {
	const config = `{"command": ["python3", "split.py"]`
	return broken{name, config, config + ", " + key, []string{fmt.Sprintf("manifest.json:5:%d: /nodes/0/config%s", column, want)}}
}

func TestLoad_saysEverythingThatIsWrong(t *testing.T) {
	for _, row := range brokenManifests {
		t.Run(row.name, func(t *testing.T) {
			manifest := row.new
			if row.old != "" {
				if strings.Count(sound, row.old) == 0 {
					t.Fatalf("the sound manifest has no %q", row.old)
				}
				manifest = strings.Replace(sound, row.old, row.new, 1)
			}
			if diff := cmp.Diff(row.want, problemsOf(t, manifest, soundFiles)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// problemsOf loads a bundle that is not sound and returns its problems with
// the folder's name left out.
func problemsOf(t *testing.T, manifest string, payloads map[string]string) []string {
	t.Helper()
	dir := folderWith(t, manifest, payloads)
	b, err := Load(dir)
	if err == nil {
		b.Close()
		return nil
	}
	var problems fault.Problems
	if !errors.As(err, &problems) {
		t.Fatalf("error = %v, want fault.Problems", err)
	}
	var lines []string
	for _, p := range problems {
		lines = append(lines, strings.TrimPrefix(p.String(), dir+string(os.PathSeparator)))
	}
	return lines
}
