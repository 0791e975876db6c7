"""A command whose options come as one value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner, Result

from singleshot.runtime.errors import InputError
from singleshot.tools.terminal.verb import Command, verb


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is ordered."""

    extra: Annotated[list[str] | None, typer.Option("--with", help="Repeatable.")] = None
    dish: Annotated[str, typer.Argument(help="What to cook.")]
    count: Annotated[int, typer.Option(min=1, help="How many.")] = 2
    hot: Annotated[bool, typer.Option("--hot", help="Or cold.")] = False


@verb
def cook(order: Order) -> None:
    """Cook what is ordered."""
    if order.dish == "stone":
        raise InputError("stone: expected food, got a stone. Order soup.")
    typer.echo(order)


def run(*arguments: str) -> Result:
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command(cls=Command)(cook)
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "100", "TERM": "dumb"})


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param(("soup",), Order(dish="soup"), id="defaults are the fields'"),
        pytest.param(
            ("--with", "bread", "soup", "--with", "salt", "--count", "3"),
            Order(dish="soup", extra=["bread", "salt"], count=3),
            id="options are the fields that are named so",
        ),
    ],
)
def test_the_function_is_called_with_the_value(arguments: tuple[str, ...], expected: Order) -> None:
    assert run(*arguments).stdout == f"{expected}\n"


def test_help_is_the_functions_and_the_fields() -> None:
    told = run("--help").stdout
    places = [told.index(part) for part in ("Cook what is ordered.", "What to cook.", "Repeatable.", "How many.")]
    assert places == sorted(places)
    assert "[default: 2]" in told
    assert "bool" not in told.lower()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(("stone",), "error: stone: expected food, got a stone. Order soup.\n", id="the function refuses"),
        pytest.param(("soup", "--count", "0"), "--count", id="Typer refuses"),
        pytest.param((), "issing argument", id="a field without default is not given"),
    ],
)
def test_what_is_wrong_ends_with_2(arguments: tuple[str, ...], said: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr
