"""Print what `bulkhead job result --json` says about this example, for people."""

import json
import sys

LANGUAGES = 8  # rows of the table


def main(path):
    with open(path, encoding="utf-8") as f:
        result = json.load(f)
    report = result["output"]
    reports = [r for r in result["reports"] if r["denials"]]

    print(f"job {result['job_id']} {result['status']}: what the workers found")
    print(table(languages(report), right={1, 2}))
    print()
    print(table(findings(report), right={1}))

    print("\nwhat the hostile step claims of itself")
    for claim, outcome in (report["hostile_step_claims"] or {"nothing": "it did not get that far"}).items():
        print(f"  {text(claim)}: {text(outcome)}")

    for r in reports:
        rows = [["tried", "on", "stopped by", "known from", "times"]]
        rows += [[d["operation"], d["object"], d["step"], d["source"], str(d["count"])] for d in r["denials"]]
        print(f"\nwhat Bulkhead refused to {text(r['node'])}, by its own report")
        print(table(rows, right={4}))
    if not reports:
        print("\nBulkhead's reports hold no refusal: that is wrong")
        sys.exit(1)


def languages(report):
    """The languages with the most lines, the others together, and all."""
    rows = [["language", "files", "lines"]]
    listed, others = report["languages"][:LANGUAGES], report["languages"][LANGUAGES:]
    rows += [[row["language"], number(row["files"]), number(row["lines"])] for row in listed]
    if others:
        rows.append([f"{len(others)} more", number(sum(r["files"] for r in others)), number(sum(r["lines"] for r in others))])
    rows.append(["all", number(report["files"]), number(report["lines"])])
    return rows


def findings(report):
    """The counts, each with the first place."""
    rows = [["finding", "count", "first"]]
    for name, kind in (
        ("strings that look like secrets", "secrets"),
        ("functions of more than 100 lines", "long_functions"),
        ("code files without a licence", "unlicensed"),
    ):
        first = report[kind]["first"][:1]
        place = f"{first[0]['path']}:{int(first[0].get('line', 1))}" if first else ""
        rows.append([name, number(report[kind]["count"]), place])
    rows.append(["files read in part", number(report["sampled"]), ""])
    rows.append(["files left out or unreadable", number(report["left_out"] + report["unreadable"]), ""])
    return rows


def number(n):
    return f"{int(n):,}"


def text(s):
    """Make the text of a worker harmless for a terminal, and short."""
    s = "".join(c if c.isprintable() else "?" for c in str(s))
    return s if len(s) <= 64 else "…" + s[-63:]


def table(rows, right=()):
    """Lay out rows in columns, the first row as the heading."""
    rows = [[text(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [cell.rjust(w) if i in right else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths))]
        lines.append(("  " + "  ".join(cells)).rstrip())
    lines.insert(1, "  " + "  ".join("─" * w for w in widths))
    return "\n".join(lines)


main(sys.argv[1])
