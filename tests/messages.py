"""The messages that the code can raise, read from their source.

`python -m singleshot.tests.messages` writes the page that lists them.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from singleshot.tests.imports import FLOORS
from singleshot.tests.places import ROOT

PAGE = ROOT / "docs" / "troubleshooting.md"
ERRORS = {"InputError", "CheckError", "DeviceError", "MissingDependencyError", "NoDeviceError"}
GAP = "…"

_HEAD = """# Troubleshooting

| look with | at |
|---|---|
| `singleshot doctor` | the machine: what works, what does not, which line mends it |
| `singleshot check-data DIR` | labelled images: files that cannot be read, boxes that cannot be, duplicates |
| `singleshot inspect FILE` | a checkpoint, graph or engine: what it takes and gives, what it was made from |
| `singleshot verify A B --frames CLIP` | two artefacts that do not seem to say the same |
| `rt-detect --stats --log-json` | a camera: its states, ages of results, what was dropped and why |

Exit code 2: something that was named cannot be used. Exit code 1: a check fell short, and the figures are printed. A
trace is a fault of singleshot's own: report it with what `singleshot doctor --json` prints.

## Messages

All that singleshot raises on purpose, by the part that raises it. Most read `what: expected this, got that. What mends
it.`, and are in the order of what was expected. What stands in italics is filled in, `…` is put together as the case
needs it. (`python -m singleshot.tests.messages` writes this page.)
"""


def messages_in(source: str) -> Iterator[str]:
    """Give what a module raises, as Markdown: texts given to an error, and all others that say what was expected."""
    tree = ast.parse(source)
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    told: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ERRORS and node.args:
            told |= {id(inner) for inner in ast.walk(node.args[0])}
            if (text := _text(node.args[0])).strip(GAP):
                yield text
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant | ast.JoinedStr) and id(node) not in told | docs:
            if isinstance(node, ast.Constant) and id(node) in parts:
                continue
            text = _text(node)
            if re.search(r"(?:^|: )expected .{3}", text):
                yield text


def page() -> str:
    """Write the page, with an anchor before each message."""
    anchors: Counter[str] = Counter()
    lines = [_HEAD]
    for folder in sorted({path.parent for floor in FLOORS for path in (ROOT / floor).rglob("*.py")}):
        found = sorted({text for path in folder.glob("*.py") for text in messages_in(_read(path))}, key=_expected)
        if found:
            summary = (ast.get_docstring(ast.parse(_read(folder / "__init__.py"))) or "").splitlines()[0]
            lines.append(f"### {folder.relative_to(ROOT).as_posix()}\n\n{summary}\n")
            lines += [f'- <a id="{_anchor(text, anchors)}"></a>{text}' for text in found] + [""]
    return "\n".join(lines).rstrip() + "\n"


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _expected(text: str) -> tuple[str, str]:
    return text.partition("expected ")[2], text


def _anchor(text: str, taken: Counter[str]) -> str:
    wanted = _expected(text)[0].partition(", got")[0]
    words = re.findall("[a-z0-9]+", wanted.lower()) or re.findall("[a-z0-9]+", text.lower())
    slug = "-".join(words[:8])
    taken[slug] += 1
    return slug if taken[slug] == 1 else f"{slug}-{taken[slug]}"


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.sub(r"([*_<\[])", r"\\\1", " ".join(node.value.split("\n")))
    if isinstance(node, ast.JoinedStr):
        return re.sub(f"{GAP}+", GAP, "".join(map(_text, node.values)))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _text(node.left) + _text(node.right)
    if isinstance(node, ast.FormattedValue):
        value = node.value
        name = value.id if isinstance(value, ast.Name) else value.attr if isinstance(value, ast.Attribute) else ""
        return f"*{name.strip('_').replace('_', ' ').lower()}*" if name else GAP
    return GAP


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
