"""Merge the findings of the eight shards into one report."""

import json
import os
import sys

KEEP = 10  # findings of a kind that the report names
KINDS = {"secrets": "path", "long_functions": "lines", "unlicensed": "path"}


def main(tree):
    with open(os.environ["MN_INPUT_FILE"], encoding="utf-8") as f:
        bodies = json.load(f)["messages"]
    shards = sorted((b for b in bodies if "shard" in b), key=lambda b: b["shard"])
    claims = [b for b in bodies if "claims" in b]

    report = {
        "tree": tree,
        "shards": len(shards),
        "files": total(shards, "files"),
        "bytes": total(shards, "bytes"),
        "sampled": total(shards, "sampled"),
        "left_out": total(shards, "left_out"),
        "unreadable": total(shards, "unreadable"),
        "languages": languages(shards),
        # What the hostile step says of itself. Nothing here vouches for it:
        # what really happened stands in the reports that Bulkhead writes.
        "hostile_step_claims": claims[0]["claims"] if claims else None,
    }
    report["lines"] = sum(row["lines"] for row in report["languages"])
    for kind in KINDS:
        report[kind] = merged(shards, kind)

    with open("report.json", "w", encoding="utf-8") as f:
        json.dump(report, f, indent=2, sort_keys=True)
        f.write("\n")
    print(json.dumps({"complete_run": report}, sort_keys=True))


def total(shards, key):
    return sum(shard[key] for shard in shards)


def languages(shards):
    """Add up the shards' counts, the language with the most lines first."""
    rows = {}
    for shard in shards:
        for name, counts in shard["languages"].items():
            row = rows.setdefault(name, {"language": name, "files": 0, "lines": 0, "blank": 0})
            for key, value in counts.items():
                row[key] += value
    return sorted(rows.values(), key=lambda row: (-row["lines"], row["language"]))


def merged(shards, kind):
    """Add up the counts of a kind of finding and name the first few."""
    finds = [find for shard in shards for find in shard[kind]["first"]]
    finds.sort(key=lambda f: (-f.get("lines", 0), f["path"], f.get("line", 0)))
    return {"count": sum(shard[kind]["count"] for shard in shards), "first": finds[:KEEP]}


main(sys.argv[1])
