"""A verb's options as one value: the fields of a dataclass become what Typer reads from a function's signature."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, Field, fields
from functools import wraps
from inspect import Parameter, Signature
from typing import Any, TypeVar, get_type_hints

import typer
import typer.core

from ...runtime.errors import InputError
from .exits import exit_codes

_DATA = "--data"
Options = TypeVar("Options")


class Command(typer.core.TyperCommand):
    """A verb's command. Behind a flag `--help` shows nothing, where newer Typers show `<bool>`."""

    def get_params(self, ctx: typer.Context) -> list[Any]:  # type: ignore[override]  # click's, or typer's copy of it
        """Return the parameters."""
        params = super().get_params(ctx)
        for param in params:
            if isinstance(param, typer.core.TyperOption) and param.is_flag and param.metavar is None:
                param.metavar = ""
        return params

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]  # as above
        """Refuse several data sets where one is read: the last would be taken without a word."""
        given = sum(arg == _DATA or arg.startswith(f"{_DATA}=") for arg in args)
        options = (param for param in self.get_params(ctx) if isinstance(param, typer.core.TyperOption))
        if given > 1 and any(_DATA in option.opts and not option.multiple for option in options):
            with exit_codes():
                raise InputError(
                    f"--data: expected one data set for {self.name}, got {given}. train, tune and evaluate take "
                    f"several; `singleshot convert-data DIR DIR` makes them one."
                )
        return super().parse_args(ctx, args)


def verb(function: Callable[[Options], None]) -> Callable[..., None]:
    """Make a command of a function that takes its options as one value; it ends as `exit_codes` says.

    Args:
        function: its one parameter is a dataclass, whose fields are annotated with `typer.Argument` and `typer.Option`;
            `--help` lists them in their order.
    """
    (options_type,) = (hint for name, hint in get_type_hints(function).items() if name != "return")
    hints = get_type_hints(options_type, include_extras=True)

    @wraps(function)
    def command(**values: Any) -> None:  # each of its field's type, as Typer has read it
        with exit_codes():
            function(options_type(**values))

    parameters = [_parameter(field, hints[field.name]) for field in fields(options_type)]
    command.__annotations__ = hints
    vars(command)["__signature__"] = Signature(parameters)
    return command


def run_alone(name: str, command: Callable[..., None]) -> None:
    """Run a verb as a command of its own."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(name, cls=Command)(command)
    app()


def _parameter(field: Field[Any], hint: object) -> Parameter:
    default = Parameter.empty if field.default is MISSING else field.default
    return Parameter(field.name, Parameter.KEYWORD_ONLY, default=default, annotation=hint)
