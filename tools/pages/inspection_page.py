"""An inspection as one page of HTML that needs nothing else: no network, no script."""

from __future__ import annotations

from html import escape
from pathlib import Path

from ...export.inspection.facts import Inspection
from ...runtime.errors import InputError
from ...runtime.files import whole_file
from .inspection_facts import Section, facts_of

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --dim: #777; --bar: #f0820066; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.05rem; margin: 2rem 0 .4rem; }
p { color: var(--dim); margin: .2rem 0 0; }
table { border-collapse: collapse; width: 100%; }
td { border-top: 1px solid var(--line); padding: .3rem .8rem .3rem 0; vertical-align: top; overflow-wrap: anywhere; }
td:first-child { width: 16rem; color: var(--dim); }
.bar { background: var(--bar); height: .8rem; display: inline-block; margin-right: .5rem; vertical-align: middle; }
""".strip()
_BAR_REM = 24.0


def save_page(inspection: Inspection, path: Path) -> None:
    """Write an inspection as a self-contained page.

    Args:
        inspection: what was found.
        path: the page, .html.

    Raises:
        InputError: the name does not end in .html, or the file cannot be written.
    """
    if path.suffix.lower() not in {".html", ".htm"}:
        raise InputError(f"{path}: expected a name that ends in .html, got {path.suffix or 'none'}.")
    with whole_file(path) as temporary:
        temporary.write_text(page_of(inspection), encoding="utf-8")


def page_of(inspection: Inspection) -> str:
    """Return the page's text; everything that comes from the file is escaped."""
    name = escape(inspection.path.name)
    summary = escape(f"{inspection.kind}, {inspection.size_bytes / 1e6:.1f} MB, {inspection.precision}")
    body = "\n".join(_section(section) for section in facts_of(inspection))
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width">\n<title>{name}</title>\n<style>\n{_STYLE}\n</style>\n'
        f"</head>\n<body>\n<h1>{name}</h1>\n<p>{summary}</p>\n{body}\n</body>\n</html>\n"
    )


def _section(section: Section) -> str:
    is_counted = section.title in {"Operators", "Layers"}
    most = max((int(value) for _, value in section.rows), default=1) if is_counted else 1
    rows = "\n".join(
        f"<tr><td>{escape(name)}</td><td>{_bar(int(value), most) if is_counted else ''}{escape(value)}</td></tr>"
        for name, value in section.rows
    )
    return f"<h2>{escape(section.title)}</h2>\n<table>\n{rows}\n</table>"


def _bar(count: int, most: int) -> str:
    return f'<span class="bar" style="width:{_BAR_REM * count / most:.1f}rem"></span>'
