"""A comparison as Markdown and as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

COLUMNS = {
    "accuracy": "accuracy",
    "macro_recall": "macro recall",
    "macro_f1": "macro F1",
    "walk_accuracy": "recordings",
    "worst_recall": "worst person",
    "rank_1": "rank 1",
    "eer": "EER",
    "calibration_error": "ECE",
}
_MEAN, _WORST = "tab:blue", "tab:red"
MOST_PAIRS = 36


def markdown(result: Mapping[str, Any]) -> str:
    """The whole comparison as a Markdown page.

    Parameters
    ----------
    result : as `compare` gives it
    """
    parts = [
        "# Comparison", describe(result), table(*score_table(result)),
        doubt(result, result["methods"][0]["name"]),
    ]  # fmt: skip
    if any(row["tuning"] for row in result["methods"]):
        parts += ["## The tuned weight", tuning_text(result), table(*tuning_table(result))]
    if 0 < len(result["pairs"]) <= MOST_PAIRS:
        parts += ["## Differences", PAIRS_TEXT, table(*pair_table(result))]
    return "\n\n".join(parts) + "\n"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |"
                     for line in lines)  # fmt: skip


def describe(result: Mapping[str, Any]) -> str:
    """Data, split and seeds in a sentence."""
    n = len(result["seeds"])
    seeds = f"{n} seeds, mean ± standard deviation" if n > 1 else "one seed"
    changes = ", ".join([*([f"preset {result['preset']}"] if result["preset"] else []),
                         *result["changes"]])  # fmt: skip
    return (
        f"{result['n_subjects']} people, {result['n_test_clips']} test clips of "
        f"{result['n_test_walks']} recordings, split by {result['protocol']}"
        f"{' (which leaks)' if result['leaking'] else ''}; {seeds}; the same clips, student and "
        f"budget for every method{f' ({changes})' if changes else ''}. Scores in %."
    )


def score_table(result: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Columns and rows of the scores, in %."""
    names = [name for name in COLUMNS if name in result["methods"][0]["scores"]]
    rows = [
        [row["name"], *(percent(row["scores"][name]) for name in names)]
        for row in result["methods"]
    ]
    return ["method", *(COLUMNS[name] for name in names)], rows


def percent(score: Mapping[str, Any]) -> str:
    """Mean, and deviation where there is one."""
    deviation = "" if score["std"] is None else f" ± {100 * score['std']:.1f}"
    return f"{100 * score['mean']:.1f}{deviation}"


def doubt(result: Mapping[str, Any], name: str) -> str:
    """Chance level and control in a sentence.

    Parameters
    ----------
    result : of a comparison or an evaluation
    name : what the control was trained like
    """
    chance, control = result["chance"], result["control"]
    text = (
        f"Chance: {chance['guessing']:.1%} by guessing, {chance['most_frequent']:.1%} by always "
        "naming the most frequent person. "
    )
    if isinstance(control, str):
        return f"{text}Control with shuffled labels: {control}."
    limit = control["at_chance_below"]
    bound = limit if isinstance(limit, str) else f"chance is below {limit:.1%}"
    verdict = "" if control["is_at_chance"] else ": a leak? it should know nothing"
    return (
        f"{text}Control ({name} with shuffled labels): "
        f"{control['walk_accuracy']:.1%} of the recordings ({bound}){verdict}."
    )


def tuning_text(result: Mapping[str, Any]) -> str:
    """What the table of the tuned weights means."""
    return (
        "One weight a method, as a factor of its default; macro recall on validation clips (%), "
        f"seed {result['seeds'][0]}. The best is in bold and is the one in the table above."
    )


def tuning_table(result: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Columns and rows of what each factor reached in validation."""
    tuned = [(row["name"], row["tuning"]) for row in result["methods"] if row["tuning"]]
    factors = list(tuned[0][1]["val_macro_recall"])
    rows = []
    for name, tuning in tuned:
        best = f"{tuning['factor']:g}"
        cells = [
            "not finite" if score is None
            else f"**{100 * score:.1f}**" if factor == best else f"{100 * score:.1f}"
            for factor, score in tuning["val_macro_recall"].items()
        ]
        rows.append([name, tuning["key"], f"{tuning['default']:g}", *cells])
    return ["method", "weight", "default", *(f"x{factor}" for factor in factors)], rows


PAIRS_TEXT = (
    "Accuracy on clips, first method minus second, in points, with its 95 % interval when walks "
    "are drawn anew. p (walks): how often exchanging the two methods' decisions at random, walk by "
    "walk, comes to such a difference (with one clip a walk and one seed, McNemar's exact test), "
    "and corrected for the number of pairs (Holm). p (seeds): paired t-test over the seeds."
)


def pair_table(result: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Columns and rows of the differences between methods."""
    rows = []
    for pair in result["pairs"]:
        low, high = (100 * bound for bound in pair["interval"])
        seeds = "-" if pair["p_seeds"] is None else f"{pair['p_seeds']:.3f}"
        rows.append([
            f"{pair['first']} - {pair['second']}", f"{100 * pair['difference']:+.1f}",
            f"{low:+.1f} to {high:+.1f}", f"{pair['p_walks']:.4f}", f"{pair['p_walks_holm']:.4f}",
            seeds,
        ])  # fmt: skip
    return ["methods", "difference", "95 %", "p (walks)", "corrected", "p (seeds)"], rows


def draw(result: Mapping[str, Any], path: Path) -> None:
    """Write the picture of a comparison; the format follows the file's suffix."""
    picture(result).savefig(path, dpi=110)


def picture(result: Mapping[str, Any]) -> Figure:
    """Draw a comparison.

    A sweep of one number becomes curves over it (the paper's Fig. 4), everything else one row a
    method.
    """
    numbers = _swept_numbers(result)
    height = 4.0 if numbers else 1.6 + 0.45 * len(result["methods"])
    figure = Figure(figsize=(8, height), layout="constrained")
    axes = figure.subplots()
    if numbers:
        _curves(axes, result, numbers)
    else:
        _rows(axes, result)
    chance = result["chance"]["guessing"]
    figure.suptitle(
        f"{result['n_subjects']} people, split by {result['protocol']}, "
        f"{len(result['seeds'])} seed{'s' * (len(result['seeds']) > 1)}, chance {chance:.1%}",
        fontsize=10,
    )
    return figure


def _main_scores(result: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Key, label and colour of what is drawn: people on average, and the worst off."""
    wanted = [("macro_recall", "mean over people (macro recall)", _MEAN),
              ("worst_recall", "worst person", _WORST)]  # fmt: skip
    have = result["methods"][0]["scores"]
    return [entry for entry in wanted if entry[0] in have] or [("rank_1", "rank 1", _MEAN)]


def _swept_numbers(result: Mapping[str, Any]) -> list[float]:
    """Values of a sweep over one numeric key, else nothing."""
    if len(result["sweep"]) != 1:
        return []
    (values,) = result["sweep"].values()
    try:
        return [float(value) for value in values] if len(values) > 1 else []
    except ValueError:
        return []


def _curves(axes: Axes, result: Mapping[str, Any], numbers: Sequence[float]) -> None:
    recipes = list(dict.fromkeys(row["recipe"] for row in result["methods"]))
    for recipe, style in zip(recipes, ["o-", "s--", "^:", "D-."] * len(recipes), strict=False):
        rows = [row for row in result["methods"] if row["recipe"] == recipe]
        for key, label, colour in _main_scores(result):
            scores = [row["scores"][key] for row in rows]
            axes.errorbar(
                numbers, [100 * score["mean"] for score in scores],
                [100 * (score["std"] or 0) for score in scores], fmt=style, color=colour,
                capsize=3, label=f"{recipe}: {label}" if len(recipes) > 1 else label,
            )  # fmt: skip
    axes.set(xlabel=next(iter(result["sweep"])), ylabel="test clips right (%)")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)


def _rows(axes: Axes, result: Mapping[str, Any]) -> None:
    methods = result["methods"][::-1]
    for (key, label, colour), shift in zip(_main_scores(result), (0.14, -0.14), strict=False):
        for place, row in enumerate(methods):
            score = row["scores"][key]
            values = [100 * value for value in score["values"]]
            y = place + shift
            axes.plot(values, [y] * len(values), "o", color=colour, alpha=0.35, markersize=5)
            axes.plot(
                [100 * score["mean"]], [y], "|", color=colour, markersize=13, markeredgewidth=2.5,
                label=label if not place else None,
            )  # fmt: skip
    axes.axvline(100 * result["chance"]["guessing"], color="0.6", linestyle=":", label="chance")
    axes.set_yticks(range(len(methods)), [row["name"] for row in methods])
    axes.set(xlabel="test clips right (%): dots are seeds, bars their mean", xlim=(0, 102),
             ylim=(-0.6, len(methods) - 0.4))  # fmt: skip
    axes.grid(axis="x", alpha=0.3)
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
