"""`radarid compare`: methods side by side, at equal budget, over several seeds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from radarid.cli.output import JsonFlag, SetOption, print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence


def compare(
    recipes: Annotated[list[str], typer.Argument(help="Names or TOML files.")],
    store: Annotated[Path, typer.Option(help="Gait store.")] = Path("data/gait.h5"),
    out: Annotated[Path, typer.Option(help="Folder of the comparison.")] = Path("runs/compare"),
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each method.")] = 3,
    preset: Annotated[
        str | None, typer.Option(help="Laid over every recipe, as in `radarid train`.")
    ] = None,
    changes: SetOption = None,
    tune: Annotated[
        str,
        typer.Option(
            metavar="FACTORS",
            help="Factors of each method's one weight, tried on validation clips; '' for none.",
        ),
    ] = "0.1,0.3,1,3,10",
    sweep: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=V,V,...",
            help="A row for each value (and each combination, if repeated); nothing is tuned.",
        ),
    ] = None,
    control: Annotated[
        bool, typer.Option("--control/--no-control", help="Train on shuffled labels once, too.")
    ] = True,
    as_json: JsonFlag = False,
) -> None:
    """Compare recipes: same clips, student and budget, one tuned weight each, several seeds.

    Writes compare.json, compare.md and compare.png. Stopped, the same command goes on.
    """
    from radarid.learn.compare import compare as run_comparison

    try:
        result = run_comparison(
            recipes, store, out, seeds=range(seeds), preset=preset, changes=changes or (),
            tune=_numbers(tune), sweep=dict(map(_swept, sweep or ())), control=control,
        )  # fmt: skip
    except KeyboardInterrupt:
        typer.echo("stopped; the same command goes on", err=True)
        raise typer.Exit(130) from None
    if as_json:
        print_json(result)
    else:
        _print_tables(out, result)


def _numbers(text: str) -> list[float]:
    from radarid.errors import TrainError

    try:
        factors = [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        factors = [-1.0]
    if any(not 0 < factor < float("inf") for factor in factors):
        raise TrainError(
            "factors are positive numbers", where="--tune", got=text, expected="0.1,0.3,1,3,10"
        )
    return factors


def _swept(text: str) -> tuple[str, Sequence[str]]:
    from radarid.errors import TrainError

    key, equals, values = text.partition("=")
    if not equals or not key.strip():
        raise TrainError("not a sweep", where="--sweep", got=text, expected="KEY=V,V,...")
    return key.strip(), [value.strip() for value in values.split(",") if value.strip()]


def _print_tables(out: Path, result: dict[str, Any]) -> None:
    from radarid.learn import compare_tables as tables

    print_table(tables.describe(result), *tables.score_table(result))
    typer.echo(tables.doubt(result, result["methods"][0]["name"]))
    if any(row["tuning"] for row in result["methods"]):
        print_table("validation, by factor of the tuned weight", *tables.tuning_table(result))
    if result["pairs"]:
        print_table("differences in accuracy on clips, points", *tables.pair_table(result))
    typer.echo(f"{out}: compare.json, compare.md, compare.png. Next: radarid report {out}")
