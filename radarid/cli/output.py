"""How commands talk: results on stdout (a table, or JSON with --json), all else on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table

from capture.errors import ExplainedError

JsonFlag = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override one key.")
]
CompatOption = Annotated[
    Literal["gaitsada", "paper"] | None,
    typer.Option(help="Images of a published chain; short for --set compat=NAME."),
]


def dsp_overrides(settings: Sequence[str] | None, compat: str | None) -> list[str]:
    """All of --set and --compat, the latter last."""
    return [*(settings or ()), *([f"compat={compat}"] if compat else ())]


def print_error(failure: ExplainedError) -> None:
    """Print an explained error on stderr, one part a line."""
    parts = failure.parts()
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(f"error: {parts.pop('what')}", style="bold red", markup=False)
    for name, part in parts.items():
        console.print(f"  {name + ':':10}{part}", markup=False)


def print_json(result: Any) -> None:
    """Print one JSON document on stdout."""
    json.dump(result, sys.stdout, indent=2, default=str)
    sys.stdout.write("\n")


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table on stdout; numbers keep the format they are given in."""
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    Console(highlight=False).print(table)
