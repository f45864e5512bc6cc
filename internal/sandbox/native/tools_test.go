package native_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/bulkhead-dev/bulkhead/internal/kernel/kerneltest"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox/native"
	"github.com/bulkhead-dev/bulkhead/policy"
)

// tool is something that people really run in a sandbox. What it prints is
// what counts: a refused call often costs a program its output and not its
// exit code.
type tool struct {
	name    string
	needs   string // programs of the host, with spaces
	profile policy.Profile
	script  string // for sh; $0 is never used
	want    string // a regular expression for all of stdout
	slow    bool   // not with -short: it takes more than a few seconds
}

// python is a script for /usr/bin/python3.
func python(code string) string { return "/usr/bin/python3 - <<'END'\n" + code + "\nEND\n" }

// node is a script for node.
func node(code string) string { return "node - <<'END'\n" + code + "\nEND\n" }

var tools = []tool{
	{name: "python threads", needs: "/usr/bin/python3", script: python(`
import threading
box = []
ts = [threading.Thread(target=lambda i=i: box.append(i*i)) for i in range(8)]
[t.start() for t in ts]; [t.join() for t in ts]
print(sum(box))`), want: "140\n"},
	{name: "python asyncio server on loopback", needs: "/usr/bin/python3", script: python(`
import asyncio
async def main():
    async def serve(r, w):
        w.write((await r.readline()).upper()); await w.drain(); w.close()
    s = await asyncio.start_server(serve, '127.0.0.1', 0)
    r, w = await asyncio.open_connection(*s.sockets[0].getsockname()[:2])
    w.write(b'hello\n'); print((await r.read()).decode().strip()); w.close(); s.close()
asyncio.run(main())`), want: "HELLO\n"},
	{name: "python http on localhost by name", needs: "/usr/bin/python3", script: python(`
import http.server, threading, urllib.request
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self): self.send_response(200); self.end_headers(); self.wfile.write(b'page')
    def log_message(self, *a): pass
s = http.server.ThreadingHTTPServer(('localhost', 0), H)
threading.Thread(target=s.serve_forever, daemon=True).start()
print(urllib.request.urlopen('http://localhost:%d/' % s.server_port).read().decode())`), want: "page\n"},
	{name: "python subprocess", needs: "/usr/bin/python3", script: python(`
import subprocess
print(subprocess.run(['sort'], input='b\na\n', text=True, capture_output=True).stdout.split())
p = subprocess.Popen(['sleep', '100']); p.terminate(); print(p.wait())
try: subprocess.run(['sleep', '100'], timeout=0.1)
except subprocess.TimeoutExpired: print('timeout')`), want: `\['a', 'b'\]\n-15\ntimeout\n`},
	{name: "python multiprocessing", needs: "/usr/bin/python3", script: `cat > m.py <<'END'
import multiprocessing as mp
def f(x): return x * x
if __name__ == '__main__':
    for how in ('fork', 'spawn', 'forkserver'):
        with mp.get_context(how).Pool(2) as p: print(how, p.map(f, range(4)))
    from multiprocessing import shared_memory
    s = shared_memory.SharedMemory(create=True, size=100); s.buf[0] = 7; print(s.buf[0]); s.close(); s.unlink()
END
/usr/bin/python3 m.py`, want: `fork \[0, 1, 4, 9\]\nspawn \[0, 1, 4, 9\]\nforkserver \[0, 1, 4, 9\]\n7\n`},
	{name: "python sqlite", needs: "/usr/bin/python3", script: python(`
import sqlite3
for mode in ('delete', 'wal'):
    c = sqlite3.connect(mode + '.db'); c.execute('pragma journal_mode=' + mode)
    c.execute('create table t(x)'); c.executemany('insert into t values(?)', [(i,) for i in range(100)]); c.commit(); c.close()
    print(sqlite3.connect(mode + '.db').execute('select sum(x) from t').fetchone()[0])`), want: "4950\n4950\n"},
	{
		name: "python virtual environment", needs: "/usr/bin/python3",
		script: `/usr/bin/python3 -c 'import venv' 2>/dev/null && /usr/bin/python3 -m venv --without-pip v && v/bin/python -c 'import sys; print(sys.prefix)'`, want: "/work/v\n",
	},
	{
		name: "python knows who and where it is", needs: "/usr/bin/python3", script: python(`
import os, pwd, socket, tempfile, time, locale
print(pwd.getpwuid(os.getuid()).pw_name, os.path.expanduser('~'), socket.gethostname(), tempfile.gettempdir(), locale.getpreferredencoding())`),
		want: "sandbox /home/sandbox sandbox /tmp UTF-8\n",
	},
	{
		name: "git", needs: "git", script: `
git init -q repo && cd repo && git config user.name a && git config user.email a@example.org
echo one > f && git add f && git commit -qm first && echo two >> f && git commit -qam second
git log --format=%s && git diff --stat HEAD~1 | tail -1
cd .. && git clone -q repo copy && git -C copy log --oneline | wc -l && git -C copy gc -q && git -C copy fsck && git -C copy worktree add -q ../tree HEAD && cat tree/f`,
		want: `second\nfirst\n 1 file changed, 1 insertion\(\+\)\n2\none\ntwo\n`,
	},
	{name: "gcc and make", needs: "gcc make", script: `
printf '#include <stdio.h>\n#include <pthread.h>\nstatic void *f(void *x) { puts("thread"); return x; }\nint main(void) { pthread_t t; pthread_create(&t, 0, f, 0); pthread_join(t, 0); puts("hello"); return 0; }\n' > h.c
printf 'h: h.c\n\t@gcc -O1 -pthread -o $@ $<\n' > Makefile
make -s -j2 && ./h`, want: "thread\nhello\n"},
	{name: "tar and gzip", needs: "tar gzip", script: `
mkdir d && echo x > d/f && ln -s f d/l && chmod 750 d && tar czf a.tgz d && mkdir o && tar xzf a.tgz -C o && readlink o/d/l && cat o/d/l && stat -c %a o/d`, want: "f\nx\n750\n"},
	{name: "go", needs: "go", slow: true, script: `
printf 'module hello\n\ngo 1.20\n' > go.mod && printf 'package main\n\nfunc main() { println(runtime()); }\nfunc runtime() string { c := make(chan string); go func() { c <- "hello" }(); return <-c }\n' > main.go
GOROOT="$TEST_GOROOT" GOFLAGS=-mod=mod GOPROXY=off "$TEST_GOROOT/bin/go" build -o h . && ./h 2>&1`, want: "hello\n"},
	{name: "node", needs: "node", script: node(`
const { Worker } = require('worker_threads'), { execFileSync } = require('child_process'), net = require('net'), fs = require('fs')
const w = new Worker("require('worker_threads').parentPort.postMessage(6 * 7)", { eval: true })
w.on('message', m => {
  console.log('thread', m)
  console.log('child', execFileSync('sort', { input: 'b\na\n' }).toString().trim().split('\n').join(','))
  fs.writeFileSync('f', 'x'); console.log('file', fs.readFileSync('f', 'utf8'))
  const s = net.createServer(c => c.end('bye')).listen(0, '127.0.0.1', () => {
    net.connect(s.address().port, '127.0.0.1').on('data', d => { console.log('socket', d.toString()); s.close() })
  })
})`), want: "thread 42\nchild a,b\nfile x\nsocket bye\n"},
	{
		name: "bash with job control", needs: "bash", script: `bash -c 'set -m; sleep 100 & jobs | grep -c Running; kill %1; wait %1 2>/dev/null; echo $?; cat <(echo sub) ; echo here | { read x; echo $x; }; coproc cat; echo co >&${COPROC[1]}; read -u ${COPROC[0]} y; echo $y'`,
		want: "1\n143\nsub\nhere\nco\n",
	},
	{name: "dash", needs: "dash", script: `dash -c 'trap "echo bye" EXIT; (exit 7); echo $?; f() { echo "$#"; }; f a "b c"; echo $(seq 3 | tac)'`, want: "7\n2\n3 2 1\nbye\n"},
	{
		name: "core utilities", needs: "find xargs sed awk", script: `mkdir -p a/b && touch a/b/c && find a -type f | xargs ls -l | wc -l; cp -a a z; mv z y; rm -r y; du -s a | wc -l; df /work | wc -l; seq 100 | awk '{s+=$1} END {print s}' | sed s/50/x/; date +%Z | wc -l; id -un; nproc | grep -c .; ps aux 2>/dev/null | wc -l | awk '{print ($1>0)}'; timeout 5 true; echo $?; mktemp | cut -c 1-5`,
		want: "1\n1\n2\nx50\n1\nsandbox\n1\n1\n0\n/tmp/\n",
	},
	{name: "a terminal of one's own", needs: "script", script: `script -qec 'tty; stty size' /dev/null | tr -d '\r' | head -1`, want: "/dev/pts/0\n"},
	{
		name: "strict busybox", needs: "busybox", profile: policy.Strict, script: `busybox sh -c 'busybox seq 20 | busybox grep 1 | busybox sort -rn | busybox head -n 3; busybox cat /etc/hostname; busybox ls / | busybox wc -l | busybox grep -c .; busybox echo x | busybox sed s/x/y/ | busybox tr y z'`,
		want: "19\n18\n17\nsandbox\n1\nz\n",
	},
	{
		name: "strict dash", needs: "dash", profile: policy.Strict, script: `dash -c 'seq 20 | grep 1 | sort -rn | head -n 3; for i in 1 2; do echo $i; done | cat; [ -r /etc/hostname ] && echo readable; echo x | sed s/x/y/ | tr y z; wc -c < /etc/hostname'`,
		want: "19\n18\n17\n1\n2\nreadable\nz\n8\n",
	},
	{
		name: "strict python", needs: "/usr/bin/python3", profile: policy.Strict, script: `/usr/bin/python3 -c 'import json, re, hashlib; print(json.dumps({"n": hashlib.sha256(b"x").hexdigest()[:8]}), len(re.findall("a", "banana")))'`,
		want: `\{"n": "2d711642"\} 3\n`,
	},
}

func TestTools_workAsEverywhere(t *testing.T) {
	m := sandbox.New(native.New(native.Options{LeaseDir: leaseDir(t)}))
	for _, tt := range tools {
		t.Run(tt.name, func(t *testing.T) {
			if tt.slow && testing.Short() {
				t.Skip("slow")
			}
			for _, program := range strings.Fields(tt.needs) {
				_, err := exec.LookPath(program)
				kerneltest.Need(t, strings.TrimPrefix(program, "/usr/bin/"), err == nil, "it is not installed")
			}
			req := sh(tt.script)
			req.Policy.Syscalls = tt.profile
			if tt.needs == "go" {
				grantGo(t, &req)
			}
			res, err := m.Run(t.Context(), req, sandbox.IO{}) // a compiler takes what it takes
			must(t, err)
			if !regexp.MustCompile(`\A(?:` + tt.want + `)\z`).Match(res.Stdout) {
				t.Errorf("stdout = %q, want %q; exit %d, signal %d, limit %q, stderr:\n%s", res.Stdout, tt.want, res.ExitCode, res.Signal, res.Limit, res.Stderr)
			}
			if len(res.Stderr) > 0 {
				t.Errorf("stderr: %s", res.Stderr)
			}
		})
	}
}

// grantGo shows the toolchain where it is not one of the system's programs.
func grantGo(t *testing.T, req *sandbox.Request) {
	t.Helper()
	out, err := exec.Command("go", "env", "GOROOT").Output()
	must(t, err)
	root := strings.TrimSpace(string(out))
	if !strings.HasPrefix(root, "/usr/") {
		req.Policy.Filesystem.Read = append(req.Policy.Filesystem.Read, root)
	}
	req.Env = map[string]string{"TEST_GOROOT": root}
	if _, err := os.Stat(root); err != nil {
		t.Fatal(err)
	}
}
