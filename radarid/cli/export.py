"""`radarid export`: a trained student as one file that needs no torch."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from radarid.cli.output import JsonFlag, print_json, print_table

if TYPE_CHECKING:
    from radarid.live.export import Exported


def export(
    run: Annotated[Path, typer.Argument(help="Folder of a finished training.", metavar="RUN")],
    onnx: Annotated[Path, typer.Option(help="File to write; a model card FILE.md goes with it.")],
    int8: Annotated[
        bool, typer.Option("--int8", help="Weights of 8 bits; says what that costs.")
    ] = False,
    bfloat16: Annotated[
        bool,
        typer.Option("--bfloat16", help="Says what `identify --bfloat16` will cost with the file."),
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Write the student and what comes before it as an ONNX file that stands alone.

    The file says the same as the student, to 1e-4 of a logit, or is not written; and it is
    searched for anything of a face, as `radarid audit` does.
    """
    from radarid.live.export import export as write

    found = write(run, onnx, int8=int8, bfloat16=bfloat16)
    if as_json:
        print_json(asdict(found))
    else:
        _print(found)


def _print(found: Exported) -> None:
    check = found.check
    typer.secho(f"{found.path}: {found.precision}, {found.n_bytes / 1e6:.1f} MB", bold=True)
    typer.echo(f"  model card: {found.card}")
    typer.echo(
        f"  logits within {check.logits:.1e} of the student's on {check.n_clips} clips, "
        f"{check.n_real} of them real"
    )
    typer.echo(f"  audit: clean ({found.audit.n_examined} tensors examined)")
    if not found.held_against:
        return
    if isinstance(found.cost, str):
        typer.echo(f"  cost of {found.held_against} not measured: {found.cost}")
        return
    print_table("test part", ("precision", "clips", "walks", "logits differ by", "least cosine"), (
        (name, f"{each.clips:.3f}", f"{each.walks:.3f}", f"{each.logit_difference:.2g}",
         f"{each.least_cosine:.5f}") for name, each in found.cost.items()
    ))  # fmt: skip
