"""`radarid diagnose`: how much a student's features resemble those of a teacher."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from radarid.cli.output import JsonFlag, print_json, print_table


def diagnose(
    run: Annotated[Path, typer.Argument(help="Folder of a finished training.")],
    store: Annotated[
        Path | None, typer.Option(help="Gait store; default: the one it was trained on.")
    ] = None,
    teacher: Annotated[
        Path | None, typer.Option(help="Run whose student is the teacher.", show_default="faces")
    ] = None,
    part: Annotated[
        Literal["train", "val", "test"], typer.Option(help="Clips of this part of the split.")
    ] = "test",
    n_clips: Annotated[int, typer.Option("--clips", min=4, help="Clips, at most.")] = 200,
    alpha: Annotated[
        float, typer.Option(min=1e-9, max=0.5, help="Level of the test on lengths.")
    ] = 0.01,
    as_json: JsonFlag = False,
) -> None:
    """Compare a student's features with a teacher's; writes diagnostics.json.

    CKA is 1 for features alike but for a rotation and a scale; the debiased one is about 0 for
    features with nothing in common. Lengths (student, teacher) are compared by a two-sided t-test,
    elements by Pearson's r, where both networks have features of one shape.
    """
    from radarid.learn.diagnostics import diagnose as compare

    result = compare(run, store, teacher_run=teacher, part=part, n_clips=n_clips, alpha=alpha)
    if as_json:
        print_json(result)
        return
    title = (
        f"{run} beside {result['teacher']}: {result['n_clips']} clips of {result['n_walks']} "
        f"{part} walks"
    )
    columns = ("features", "CKA", "debiased", "lengths", "t", "r (all)", "r (clips)")
    print_table(title, columns, [_row(name, each) for name, each in result["layers"].items()])
    typer.echo(f"* lengths differ (two-sided, alpha {alpha:g}).")


def _row(name: str, found: dict[str, Any]) -> tuple[str, ...]:
    norms = found["norms"]
    lengths = t = "-"
    if norms is not None:
        lengths = f"{norms['mean_x']:.3g}, {norms['mean_y']:.3g}"
        t = f"{norms['t']:.1f}{' *' if norms['differ'] else ''}"
    keys = ("cka", "cka_debiased", "pearson", "pearson_over_clips")
    cka, debiased, r, over_clips = ("-" if found[k] is None else f"{found[k]:.2f}" for k in keys)
    return name, cka, debiased, lengths, t, r, over_clips
