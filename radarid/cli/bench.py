"""`radarid bench`: how fast the signal processing is here, beside everything else that is fast."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def bench(
    quick: Annotated[bool, typer.Option("--quick", help="See that all runs; no numbers.")] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the report here.")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the report (.png, .svg).")
    ] = None,
    rounds: Annotated[int | None, typer.Option(min=1, help="Rounds of all contenders.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0.2, help="Length of the capture.")] = None,
    scaling: Annotated[
        bool, typer.Option("--scaling", help="Sweep over antennas, samples, chirps, bins, windows.")
    ] = False,
) -> None:
    """Measure the way from raw words to the image: radarid against what else is installed.

    All contenders must make the same image before anything is timed. Numbers of one run can be
    compared; numbers of two runs cannot. Takes several minutes.
    """
    import json
    from dataclasses import replace

    from radarid.bench.report import Plan, run
    from radarid.bench.show import show

    plan = Plan.quick() if quick else Plan()
    plan = replace(
        plan,
        n_rounds=rounds or plan.n_rounds,
        capture_s=seconds or plan.capture_s,
        with_scaling=scaling,
    )
    report = run(plan, lambda step: typer.echo(f"measuring: {step}", err=True))
    if json_file:
        json_file.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    if picture:
        from radarid.bench.picture import draw

        draw(report, picture)
    show(report)
