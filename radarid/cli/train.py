"""`radarid train`: a gait store -> a run with a student that needs no faces."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from radarid.cli.output import JsonFlag, SetOption, print_json, print_table

if TYPE_CHECKING:
    from radarid.learn.config import TrainConfig
    from radarid.learn.trainer import TrainReport


def train(
    recipe: Annotated[
        str | None, typer.Argument(help="Name or TOML file.", show_default="identitykd")
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="Laid over the recipe: cpu for minutes on two cores.")
    ] = None,
    store: Annotated[
        Path | None, typer.Option(help="Gait store.", show_default="data/gait.h5")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Run folder.", show_default="runs/RECIPE")
    ] = None,
    changes: SetOption = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a stopped run.")] = False,
    seed: Annotated[int | None, typer.Option(help="Seed of everything that is drawn.")] = None,
    list_losses: Annotated[
        bool, typer.Option("--list-losses", help="Print every loss that can be added, and stop.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Train a student. Faces guide it and are not needed, or kept in it, afterwards.

    Ctrl-C stops; `radarid train --resume --out RUN` goes on to the same result. In several
    processes: `torchrun --nproc-per-node N -m radarid train ...`
    """
    if list_losses:
        from radarid.cli.losses_table import print_losses

        print_losses(as_json)
        return
    from radarid.learn import distributed
    from radarid.learn.run_folder import RunFolder
    from radarid.learn.trainer import train as run_training

    out = out or Path("runs") / Path(recipe or "identitykd").stem
    if resume:
        _refuse_changes(recipe, preset, changes, seed)
        config, store = None, store or RunFolder(out).store_path()
    else:
        config = _read_config(recipe or "identitykd", preset, changes, seed)
    try:
        report = run_training(store or Path("data/gait.h5"), out, config)
    except KeyboardInterrupt:
        typer.echo(f"stopped; go on with: radarid train --resume --out {out}", err=True)
        raise typer.Exit(130) from None
    if not distributed.is_main():
        return
    if as_json:
        print_json(asdict(report))
    else:
        _print_report(report)


def _read_config(
    recipe: str, preset: str | None, changes: list[str] | None, seed: int | None
) -> TrainConfig:
    from radarid import config
    from radarid.learn.config import TrainConfig

    names = [recipe, f"preset-{preset}"] if preset else [recipe]
    overrides = [*(changes or ()), *([f"seed={seed}"] if seed is not None else ())]
    return config.load(TrainConfig, "train", names, overrides)


def _refuse_changes(*given: object) -> None:
    from radarid.errors import TrainError

    if any(value is not None for value in given):
        raise TrainError(
            "a stopped run goes on as it was begun", where="--resume",
            got="a recipe, preset, seed or --set",
            remedy="leave them out, or begin a new run with another --out",
        )  # fmt: skip


def _print_report(report: TrainReport) -> None:
    rows = [
        (name + (" (exported)" if name == report.selected else ""),
         f"{scores['accuracy']:.1%}", f"{scores['macro_recall']:.1%}",
         f"{scores['macro_f1']:.1%}", f"{scores['cross_entropy']:.3f}")
        for name, scores in report.candidates.items()
    ]  # fmt: skip
    title = (
        f"{report.run}: {len(report.subjects)} people, {report.n_train} clips trained, "
        f"{report.n_val} validated, {report.seconds:.0f} s"
    )
    columns = ("weights", "accuracy", "macro recall", "macro F1", "cross-entropy")
    print_table(title, columns, rows)
    typer.echo("Scores are on validation clips, which chose the weights. Next: radarid evaluate "
               f"{report.run}")
