"""`radarid evaluate`: honest scores of a run, with chance and a shuffled control beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from radarid.cli.output import JsonFlag, print_json, print_table


def evaluate(
    run: Annotated[Path, typer.Argument(help="Folder of a finished training.")],
    store: Annotated[
        Path | None, typer.Option(help="Gait store; default: the one it was trained on.")
    ] = None,
    control: Annotated[
        bool | None,
        typer.Option(
            "--control/--no-control", help="Train on shuffled labels, too.",
            show_default="as configured",
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Score a run on walks it has never seen; writes evaluation.json and confusion.png."""
    from radarid.learn.evaluate import evaluate as run_evaluation

    result = run_evaluation(run, store, control=control)
    if as_json:
        print_json(result)
    else:
        _print_scores(run, result)


def _print_scores(run: Path, result: dict[str, Any]) -> None:
    split = result["split"]
    title = (
        f"{run}: {result['n_subjects']} people, {result['n_test_clips']} clips of "
        f"{result['n_test_walks']} recordings in the test, split by {split['protocol']}"
    )
    rows = [*_closed_rows(result), *_retrieval_rows(result["retrieval"]),
            *_stranger_rows(result["open_set"]), *_doubt_rows(result)]  # fmt: skip
    print_table(title, ("score", "value"), rows)
    if split["leaking"]:
        typer.echo("This split leaks: clips that overlap in time are on both sides.", err=True)


def _closed_rows(result: dict[str, Any]) -> list[tuple[str, str]]:
    if "clips" not in result:
        return []
    rows = []
    for level, name in (("clips", "clips"), ("walks", "recordings")):
        scores = result[level]
        low, high = scores["accuracy_interval"]
        rows += [
            (f"{name}: accuracy", f"{scores['accuracy']:.1%}  (95 %: {low:.0%} to {high:.0%})"),
            (f"{name}: macro recall / F1",
             f"{scores['macro_recall']:.1%} / {scores['macro_f1']:.1%}"),
        ]  # fmt: skip
    worst = result["worst_subject"]
    calibration, brier = result["clips"]["calibration_error"], result["clips"]["brier"]
    return [
        *rows,
        ("worst person (clips)", f"{worst['recall']:.1%}  ({worst['subject']})"),
        ("calibration error / Brier", f"{calibration:.3f} / {brier:.3f}"),
    ]


def _retrieval_rows(scores: dict[str, Any]) -> list[tuple[str, str]]:
    accepted = ", ".join(
        f"{value:.1%} at {float(far):.0%}" for far, value in scores["tar_at_far"].items()
    )
    return [
        ("templates: rank 1 / rank 5", f"{scores['rank_1']:.1%} / {scores['rank_5']:.1%}"),
        ("templates: EER", f"{scores['eer']:.1%}"),
        ("templates: TAR at FAR", accepted),
    ]


def _stranger_rows(scores: dict[str, Any]) -> list[tuple[str, str]]:
    rows = []
    if "threshold" in scores:
        rows.append(("threshold: known identified", f"{scores['known_walks_identified']:.1%}"))
    if "n_stranger_walks" not in scores:
        return [*rows, ("strangers", scores["strangers"])]
    n = scores["n_stranger_walks"]
    if "threshold" in scores:
        share = f"{scores['strangers_accepted']:.1%}  (of {n})"
        rows.append(("threshold: strangers accepted", share))
    found = ", ".join(
        f"{value:.1%} at {float(far):.0%}" for far, value in scores["dir_at_far"].items()
    )
    return [*rows, ("strangers: DIR at FAR", found)]


def _doubt_rows(result: dict[str, Any]) -> list[tuple[str, str]]:
    chance, control = result["chance"], result["control"]
    rows = [("chance: guessing / most frequent",
             f"{chance['guessing']:.1%} / {chance['most_frequent']:.1%}")]  # fmt: skip
    if isinstance(control, str):
        return [*rows, ("control (shuffled labels)", control)]
    limit = control["at_chance_below"]
    bound = limit if isinstance(limit, str) else f"chance is below {limit:.1%}"
    verdict = "" if control["is_at_chance"] else ": A LEAK? it should know nothing"
    value = f"{control['walk_accuracy']:.1%}  ({bound}){verdict}"
    return [*rows, ("control (shuffled labels), recordings", value)]
