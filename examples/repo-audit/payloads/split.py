"""Split a source tree into eight shards of about equal size in bytes."""

import sys

import sourcetree

SHARDS = 8


def main(tree):
    files = list(sourcetree.source_files(tree))
    if not files:
        sourcetree.answer(fail={"reason": f"no source files in {tree}", "retryable": False})
        return
    left_out = max(0, len(files) - sourcetree.MAX_FILES)
    sourcetree.answer(
        events=[{"type": "tree_split", "payload": {"files": len(files) - left_out, "left_out": left_out}}],
        emit_messages=[{"type": "shard", "body": shard} for shard in shards(files[: sourcetree.MAX_FILES], left_out)],
    )


def shards(files, left_out):
    """Give each file, largest first, to the shard that has the fewest bytes."""
    parts = [{"shard": n + 1, "bytes": 0, "files": [], "left_out": left_out if n == 0 else 0} for n in range(SHARDS)]
    for path, size in sorted(files, key=lambda f: (-f[1], f[0])):
        part = min(parts, key=lambda p: (p["bytes"], p["shard"]))
        part["bytes"] += min(size, sourcetree.MAX_FILE_BYTES)
        part["files"].append(path)
    return parts


main(sys.argv[1])
