"""Every command with its options, as the command line itself has them."""

from __future__ import annotations

import html
import inspect
import re
from collections.abc import Iterable
from typing import Any

import typer.core
import typer.main

from ..cli import app

_HEAD = """# Commands

What `singleshot VERB --help` says, read from the command line when this site is built. `rt-detect` is `singleshot
rt-detect`, `export-engine` is `singleshot build`. What a command makes is printed on stdout, talk and progress on
stderr. Exit codes: 0 done, 1 a check fell short (the figures are printed), 2 something named cannot be used (one line
says what mends it).

"""


def commands_page() -> str:
    """Write the page: a list of all verbs, then one part a verb."""
    group = typer.main.get_command(app)
    if not isinstance(group, typer.core.TyperGroup):
        raise TypeError(f"expected a group of verbs, got {group}")
    context: Any = group.make_context("singleshot", ["--help"], resilient_parsing=True)
    found = [(name, group.get_command(context, name)) for name in group.list_commands(context)]
    verbs = [(name, command) for name, command in found if isinstance(command, typer.core.TyperCommand)]
    rows = "".join(f"| [`{name}`](#{name}) | {_summary(command.help)} |\n" for name, command in verbs)
    return f"{_HEAD}| command | what it does |\n|---|---|\n{rows}\n" + "\n".join(
        _part(name, command, context) for name, command in verbs
    )


def _summary(text: str | None) -> str:
    first = inspect.cleandoc(text or "").split("\n\n")[0]
    return _cell(" ".join(first.split()))


def _part(name: str, command: typer.core.TyperCommand, context: Any) -> str:
    """Write a verb's part: its words, its examples, its arguments and options."""
    arguments = [item for item in command.params if isinstance(item, typer.core.TyperArgument)]
    options = [item for item in command.params if isinstance(item, typer.core.TyperOption)]
    names = (item.metavar or (item.name or "").upper() for item in arguments)
    parts = [f"## {name}", "```text\n" + " ".join(["singleshot", name, *names, "[OPTIONS]"]) + "\n```"]
    parts += [*_blocks(command.help or ""), _table("argument", arguments, context), _table("option", options, context)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _blocks(text: str) -> Iterable[str]:
    """Give the paragraphs of a help text; commands become blocks of their own."""
    for block in re.split(r"\n\s*\n", inspect.cleandoc(text.replace("\b", ""))):
        prose: list[str] = []
        commands: list[str] = []
        for line in block.splitlines():
            told = line.strip().removeprefix("Example:").strip()
            is_command = re.match(r"(singleshot|rt-detect|export-engine) ", told) is not None
            if is_command or (commands and line.startswith("  ")):
                commands.append(told)
            elif line.strip() not in ("Example:", "Examples:"):
                prose.append(line.strip())
        if prose:
            yield html.escape(" ".join(prose), quote=False)
        if commands:
            yield "```sh\n" + "\n".join(commands) + "\n```"


def _argument_name(argument: typer.core.TyperArgument) -> str:
    return argument.metavar or (argument.name or "").upper()


def _table(kind: str, params: Iterable[typer.core.TyperArgument | typer.core.TyperOption], context: Any) -> str:
    """Write a row a parameter, with the words of `--help`; what stands in brackets there gets a column of its own."""
    lines = []
    for param in params:
        named, text = param.get_help_record(context) or ("", "")
        told, bracket, rest = text.partition("  [")
        lines.append(f"| {_code(named)} | {_cell(told)} | {_cell(rest.removesuffix(']')) if bracket else ''} |")
    return "\n".join([f"| {kind} | what it is | |", "|---|---|---|", *lines]) if lines else ""


def _code(text: str) -> str:
    return f"<code>{_cell(text)}</code>"


def _cell(text: str) -> str:
    """Write text that stands within a cell of a table as it is."""
    escaped = re.sub(r"([_*\[\]])", r"\\\1", html.escape(" ".join(text.split()), quote=False))
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", escaped.replace("|", "&#124;"))
