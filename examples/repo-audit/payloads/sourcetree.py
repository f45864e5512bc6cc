"""What the steps of this bundle know about source trees and about messages."""

import json
import os

SKIPPED_FOLDERS = {".git", ".hg", ".svn", "node_modules", "__pycache__", ".venv"}

# Extension to language. What is not here is not audited.
LANGUAGES = {
    ".go": "Go", ".s": "Assembly", ".S": "Assembly",
    ".c": "C", ".h": "C", ".cc": "C++", ".cpp": "C++", ".hpp": "C++",
    ".py": "Python", ".rs": "Rust", ".java": "Java", ".kt": "Kotlin",
    ".js": "JavaScript", ".mjs": "JavaScript", ".ts": "TypeScript", ".tsx": "TypeScript",
    ".rb": "Ruby", ".pl": "Perl", ".php": "PHP", ".sh": "Shell", ".bash": "Shell",
    ".html": "HTML", ".css": "CSS", ".md": "Markdown", ".txt": "Text",
    ".json": "JSON", ".yaml": "YAML", ".yml": "YAML", ".toml": "TOML", ".proto": "Protobuf",
}

# Bounds that keep the work small on any tree.
MAX_FILES = 12_000
MAX_FILE_BYTES = 1024 * 1024


def language(path):
    """Return the language of a file by its name, or None."""
    return LANGUAGES.get(os.path.splitext(path)[1])


def source_files(tree):
    """Yield (relative path, size) of the tree's source files, in sorted order.

    Symbolic links are not followed, so the walk stays in the tree.
    """
    for folder, folders, names in os.walk(tree):
        folders[:] = sorted(d for d in folders if d not in SKIPPED_FOLDERS)
        for name in sorted(names):
            path = os.path.join(folder, name)
            if language(name) and not os.path.islink(path):
                yield os.path.relpath(path, tree), os.path.getsize(path)


def read_input():
    """Return the body of the message that this attempt handles."""
    with open(os.environ["MN_INPUT_FILE"], encoding="utf-8") as f:
        return json.load(f)


def answer(**control):
    """Print the control document of this attempt: the only line on stdout."""
    print(json.dumps(control, sort_keys=True, separators=(",", ":")))
