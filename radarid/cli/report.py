"""`radarid report`: a run or a comparison as one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from radarid.cli.output import JsonFlag, print_json


def report(
    folder: Annotated[Path, typer.Argument(help="Evaluated run, or comparison.")],
    out: Annotated[
        Path | None, typer.Option(help="HTML file.", show_default="report.html in the folder")
    ] = None,
    store: Annotated[
        Path | None, typer.Option(help="Gait store; default: the one it was trained on.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Write one HTML file that needs nothing else: curves, people, errors, examples, Grad-CAM."""
    from radarid.learn.report import write_report

    path = write_report(folder, out, store)
    if as_json:
        print_json({"report": str(path), "bytes": path.stat().st_size})
    else:
        typer.echo(f"{path}: {path.stat().st_size / 1e6:.1f} MB, open it in any browser")
