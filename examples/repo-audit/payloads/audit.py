"""Audit one shard: lines by language, secret-looking strings, long functions, licences."""

import os
import re
import sys

import sourcetree

LONG_FUNCTION = 100  # lines
KEEP = 10  # findings of a kind that are named; all are counted

# What a secret looks like. A find is reported by place and kind, never by value.
SECRETS = [
    ("private key", re.compile(rb"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----")),
    ("cloud access key", re.compile(rb"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b")),
    ("forge token", re.compile(rb"\bgh[pousr]_[A-Za-z0-9]{36}\b")),
    ("chat token", re.compile(rb"\bxox[abpr]-[A-Za-z0-9-]{10,}")),
    ("password in code", re.compile(rb"(?i)\b(?:password|passwd|secret|api_?key)\s*[:=]+\s*[\"'][^\"'\s$<>{}%]{8,}[\"']")),
]

# How a function begins in a language; it ends with a brace in the first column.
FUNCTIONS = {
    "Go": re.compile(rb"^func (?:\([^)]*\) )?(\w+)"),
    "Rust": re.compile(rb"^(?:pub(?:\([^)]*\))? )?(?:async |unsafe |const )*fn (\w+)"),
    "C": re.compile(rb"^[A-Za-z_][\w \t*]*?\b(\w+)\([^;]*$"),
    "C++": re.compile(rb"^[A-Za-z_][\w \t*:&<>]*?\b(\w+)\([^;]*$"),
    "JavaScript": re.compile(rb"^(?:export )?(?:async )?function\*? (\w+)"),
    "TypeScript": re.compile(rb"^(?:export )?(?:async )?function\*? (\w+)"),
}
PYTHON_FUNCTION = re.compile(rb"^(\s*)(?:async )?def (\w+)")

LICENCE = re.compile(rb"(?i)copyright|licen[cs]e|SPDX-License-Identifier")
CODE = set(FUNCTIONS) | {"Python", "Java", "Kotlin", "Ruby", "Perl", "PHP", "Shell", "Assembly"}


def main(tree):
    shard = sourcetree.read_input()
    found = {
        "shard": shard["shard"], "files": 0, "bytes": 0, "sampled": 0, "unreadable": 0,
        "left_out": shard.get("left_out", 0), "languages": {},
        "secrets": Finds(), "long_functions": Finds(), "unlicensed": Finds(),
    }
    for path in shard["files"]:
        audit(tree, path, found)
    for kind in ("secrets", "long_functions", "unlicensed"):
        found[kind] = found[kind].summary()
    sourcetree.answer(
        complete_step=found,
        events=[{"type": "shard_audited", "payload": {"shard": found["shard"], "files": found["files"]}}],
    )


def audit(tree, path, found):
    """Add what one file shows to found."""
    try:
        with open(os.path.join(tree, path), "rb") as f:
            data = f.read(sourcetree.MAX_FILE_BYTES + 1)
    except OSError:
        found["unreadable"] += 1
        return
    if len(data) > sourcetree.MAX_FILE_BYTES:
        data = data[: sourcetree.MAX_FILE_BYTES]
        found["sampled"] += 1

    language = sourcetree.language(path)
    lines = data.split(b"\n")
    count = found["languages"].setdefault(language, {"files": 0, "lines": 0, "blank": 0})
    count["files"] += 1
    count["lines"] += len(lines) - 1 if lines[-1] == b"" else len(lines)
    count["blank"] += sum(1 for line in lines if not line.strip())
    found["files"] += 1
    found["bytes"] += len(data)

    for kind, pattern in SECRETS:
        for match in pattern.finditer(data):
            found["secrets"].add(1, path=path, line=data.count(b"\n", 0, match.start()) + 1, kind=kind)
    for name, line, length in functions(language, lines):
        if length > LONG_FUNCTION:
            found["long_functions"].add(length, path=path, line=line, name=name.decode("utf-8", "replace"), lines=length)
    if language in CODE and not LICENCE.search(data[:2048]):
        found["unlicensed"].add(1, path=path)


def functions(language, lines):
    """Yield (name, first line, number of lines) of the functions that the file holds."""
    if language == "Python":
        yield from python_functions(lines)
        return
    begins = FUNCTIONS.get(language)
    if not begins:
        return
    name, start = None, 0
    for number, line in enumerate(lines, 1):
        if name is None:
            # A function on one line ends where it begins.
            if line[:1].isalpha() and not line.endswith((b"}", b";")):
                match = begins.match(line)
                if match:
                    name, start = match.group(1), number
        elif line.startswith(b"}"):
            yield name, start, number - start + 1
            name = None


def python_functions(lines):
    """Yield Python's functions: one ends before the next line that is indented no deeper."""
    open_functions, last = [], 0
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith(b"#"):
            continue
        depth = len(line) - len(line.lstrip())
        while open_functions and depth <= open_functions[-1][0]:
            _, name, start = open_functions.pop()
            yield name, start, last - start + 1
        match = PYTHON_FUNCTION.match(line)
        if match:
            open_functions.append((depth, match.group(2), number))
        last = number
    for _, name, start in open_functions:
        yield name, start, last - start + 1


class Finds:
    """Counts findings of a kind and keeps the weightiest few."""

    def __init__(self):
        self.count, self.kept = 0, []

    def add(self, weight, **find):
        self.count += 1
        self.kept.append((-weight, find["path"], find.get("line", 0), find))
        if len(self.kept) > 4 * KEEP:
            self.trim()

    def trim(self):
        self.kept = sorted(self.kept, key=lambda k: k[:3])[:KEEP]

    def summary(self):
        self.trim()
        return {"count": self.count, "first": [k[3] for k in self.kept]}


main(sys.argv[1])
