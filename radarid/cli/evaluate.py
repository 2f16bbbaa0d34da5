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
    people: Annotated[
        bool, typer.Option("--people", help="Also show everybody's own scores.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Score a run on walks it has never seen.

    Beside each figure stand chance and, with --control, what the same training reaches on
    shuffled labels; in brackets is a 95 % interval over walks. Writes evaluation.json,
    predictions.npz and confusion.png.
    """
    from radarid.learn.evaluate import evaluate as run_evaluation

    result = run_evaluation(run, store, control=control)
    if as_json:
        print_json(result)
    else:
        _print_scores(run, result)
        if people:
            _print_people(result.get("per_subject", {}))


Row = tuple[str, str, str, str]


def _print_scores(run: Path, result: dict[str, Any]) -> None:
    split = result["split"]
    title = (
        f"{run}: {result['n_subjects']} people, {result['n_test_clips']} clips of "
        f"{result['n_test_walks']} recordings in the test, split by {split['protocol']}"
    )
    control = result["control"]
    shuffled = control["scores"] if isinstance(control, dict) else {}
    rows = [*_closed_rows(result, shuffled), *_retrieval_rows(result, shuffled),
            *_stranger_rows(result["open_set"])]  # fmt: skip
    print_table(title, ("score", "value", "chance", "shuffled"), rows)
    typer.echo(_doubt(control))
    for note in _notes(result):
        typer.echo(note)


def _closed_rows(result: dict[str, Any], shuffled: dict[str, Any]) -> list[Row]:
    if "clips" not in result:
        return []
    rows, guess = [], f"{result['chance']['guessing']:.1%}"
    for level, name in (("clips", "clips"), ("walks", "recordings")):
        scores, beside = result[level], shuffled.get(level, {})
        for key, label in (("accuracy", "accuracy"), ("macro_recall", "macro recall"),
                           ("macro_f1", "macro F1")):  # fmt: skip
            value = _with_interval(scores, key)
            rows.append((f"{name}: {label}", value, guess, _percent(beside.get(key))))
    worst, calibration = result["worst_subject"], result["calibration"]
    below = shuffled.get("worst_subject", {})
    rows.append((f"worst person: {worst['subject']}", _percent(worst["recall"]), guess,
                 _percent(below.get("recall"))))  # fmt: skip
    for when in ("before", "after"):
        name = f"ECE / Brier {when} scaling"
        value = f"{calibration[when]['ece']:.3f} / {calibration[when]['brier']:.3f}"
        rows.append((name, value, f"- / {result['chance']['brier']:.3f}", "-"))
    if "undegraded" in result:
        for level, name in (("clips", "clips"), ("walks", "recordings")):
            value = _with_interval(result["undegraded"][level], "accuracy")
            rows.append((f"undegraded {name}: accuracy", value, guess, "-"))
    return rows


def _retrieval_rows(result: dict[str, Any], shuffled: dict[str, Any]) -> list[Row]:
    scores, beside = result["retrieval"], shuffled.get("retrieval", {})
    chances = {"rank_1": "guessing", "rank_5": "rank_5", "eer": "eer"}
    rows = [
        (f"templates: {label}", _with_interval(scores, key),
         _percent(result["chance"][chances[key]]), _percent(beside.get(key)))
        for key, label in (("rank_1", "rank 1"), ("rank_5", "rank 5"), ("eer", "EER"))
    ]  # fmt: skip
    found = beside.get("tar_at_far", {})
    rows += [
        (f"templates: TAR at FAR {float(far):.1%}", _percent(value), f"{float(far):.1%}",
         _percent(found.get(far)))
        for far, value in scores["tar_at_far"].items()
    ]  # fmt: skip
    return rows


def _stranger_rows(scores: dict[str, Any]) -> list[Row]:
    rows = []
    if "threshold" in scores:
        rows.append(("threshold: known identified", _percent(scores["known_walks_identified"])))
    if "n_stranger_walks" in scores:
        if "threshold" in scores:
            share = f"{scores['strangers_accepted']:.1%} of {scores['n_stranger_walks']}"
            rows.append(("threshold: strangers accepted", share))
        rows += [
            (f"strangers: DIR at FAR {float(far):.1%}", _percent(value))
            for far, value in scores["dir_at_far"].items()
        ]
    else:
        rows.append(("strangers", scores["strangers"].partition(":")[0]))
    return [(*row, "-", "-") for row in rows]


def _print_people(people: dict[str, dict[str, Any]]) -> None:
    columns = ("person", "clips", "recall", "precision", "F1", "recordings", "recall")
    rows = [
        (name, row["n_clips"], _percent(row["recall"]), _percent(row["precision"]),
         _percent(row["f1"]), row["n_walks"], _percent(row["walk_recall"]))
        for name, row in people.items()
    ]  # fmt: skip
    print_table("everybody by name", columns, rows)


def _doubt(control: dict[str, Any] | str) -> str:
    if isinstance(control, str):
        return f"control (shuffled labels): {control}"
    limit = control["at_chance_below"]
    bound = limit if isinstance(limit, str) else f"chance is below {limit:.1%}"
    verdict = "" if control["is_at_chance"] else ": A LEAK? it should know nothing"
    return f"control (shuffled labels): {control['walk_accuracy']:.1%} ({bound}){verdict}"


def _notes(result: dict[str, Any]) -> list[str]:
    """What a reader must know to read the figures right."""
    notes = []
    if result["split"]["leaking"]:
        notes.append("This split leaks: clips that overlap in time are on both sides.")
    if "walks" in result and len(set(result["walks"]["accuracy_interval"])) == 1:
        low, high = result["walks"]["accuracy_exact_interval"]
        notes.append(f"No draw of recordings differs from another; the exact interval of their "
                     f"accuracy is {low:.0%} to {high:.0%}.")  # fmt: skip
    if "calibration" in result:
        calibration = result["calibration"]
        bound = ", at its bound" if calibration["at_bound"] else ""
        notes.append(f"Temperature {calibration['temperature']:.3g}{bound}, from "
                     f"{calibration['n_val_clips']} validation clips.")  # fmt: skip
    for part, what in (("retrieval", "comparisons of two people"), ("open_set", "stranger walks")):
        finest = result[part].get("finest_far")
        if finest is not None and finest > min(map(float, _rates(result[part]))):
            notes.append(f"A FAR below {finest:.2%} lets in none of the {1 / finest:.0f} {what}.")
    return notes


def _rates(scores: dict[str, Any]) -> list[str]:
    return list(scores.get("tar_at_far") or scores["dir_at_far"])


def _with_interval(scores: dict[str, Any], key: str) -> str:
    low, high = scores.get(f"{key}_interval", (None, None))
    between = "" if low is None else f" ({low:.0%} to {high:.0%})"
    return f"{scores[key]:.1%}{between}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
