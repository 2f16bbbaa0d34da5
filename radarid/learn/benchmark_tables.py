"""Tables of the benchmark, with the numbers that the paper gives for its own people beside them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from radarid.learn import compare_tables as tables

Beside = Literal["nothing", "table3", "table4", "table5", "fig4"]
PAPER: dict[str, dict[str, tuple[float, float, float]]] = {
    "table3": {
        "baseline": (92.17, 92.77, 93.13),
        "kd": (94.91, 94.25, 93.90),
        "cfkd": (96.12, 95.97, 96.45),
        "mkd": (96.38, 96.16, 96.18),
        "identitykd": (98.58, 99.01, 98.43),
    },
    "table4": {
        "resnet18": (98.58, 99.01, 98.43),
        "mobilenet_v2": (88.24, 87.20, 85.69),
        "efficientnet_b0": (95.88, 92.20, 94.98),
        "vgg16": (87.62, 84.25, 87.50),
    },
    "table5": {"kl": (97.24, 97.05, 96.98), "nce": (98.58, 99.01, 98.43)},
}
"""Accuracy, recall and F1 in % of IdentityKD's tables 3, 4 and 5 (MMAsia '24)."""

TITLES: dict[Beside, str] = {
    "nothing": "",
    "table3": "methods (Table 3)",
    "table4": "students (Table 4)",
    "table5": "form of the contrast (Table 5)",
    "fig4": "offsets of margin and weight (Fig. 4: best at lambda1 = 0.5 and lambda2 = 0.4)",
}
_SCORES = {
    "accuracy": "accuracy", "macro_recall": "macro recall", "macro_f1": "macro F1",
    "walk_accuracy": "recordings", "worst_recall": "worst person", "rank_1": "rank 1", "eer": "EER",
}  # fmt: skip
_LEAST_P = 0.05


def as_tables(name: str, beside: Beside, compared: Mapping[str, Any]) -> dict[str, Any]:
    """One comparison as plain numbers, in %.

    Parameters
    ----------
    name : of the comparison
    beside : which numbers of the paper belong beside it
    compared : its compare.json

    Returns
    -------
    dict
        `name`, `beside`, `about` (a sentence), `doubt` (chance and control), `seconds` of all
        trainings in the table, `rows`, and, where the paper has these rows, `order`. A row has its
        `name`, `scores` (mean and deviation), `gain` in accuracy over the first row with its
        `interval` and `p` (None in the first row), and `paper` (accuracy, recall, F1, and `gain`)
        or None.
    """
    keys = [_key(row) for row in compared["methods"]]
    published = PAPER.get(beside, {})
    first = published.get(keys[0])
    rows = []
    for key, method in zip(keys, compared["methods"], strict=True):
        own = published.get(key)
        rows.append({
            "name": _label(method),
            "scores": {
                score: [100 * number if number is not None else None
                        for number in (method["scores"][score]["mean"],
                                       method["scores"][score]["std"])]
                for score in _SCORES if score in method["scores"]
            },
            "tuned": _tuned(method["tuning"]),
            "paper": own and {
                "accuracy": own[0], "macro_recall": own[1], "macro_f1": own[2],
                "gain": round(own[0] - first[0], 2) if first else None,
            },
            **_gain(method["name"], compared),
        })  # fmt: skip
    return {
        "name": name,
        "beside": beside,
        "about": tables.describe(compared),
        "doubt": tables.doubt(compared, compared["methods"][0]["name"]),
        "seconds": sum(map(sum, (method["seconds"] for method in compared["methods"]))),
        "rows": rows,
        "order": _order(rows),
    }


def _key(method: Mapping[str, Any]) -> str:
    """What tells the row in the paper's table: the swept value, or the recipe."""
    values = list(method["settings"].values())
    return str(values[0]) if len(values) == 1 else str(method["recipe"])


def _label(method: Mapping[str, Any]) -> str:
    """Name of a row: the recipe and what was swept, without the tables that the keys are in."""
    swept = (f"{key.rpartition('.')[2]} {value}" for key, value in method["settings"].items())
    return ", ".join([method["recipe"], *swept])


def _tuned(tuning: Mapping[str, Any] | None) -> str:
    return f"{tuning['key']} = {tuning['value']:g}" if tuning else ""


def _gain(name: str, compared: Mapping[str, Any]) -> dict[str, Any]:
    """Gain over the first method; the comparison holds first minus second."""
    for pair in compared["pairs"]:
        if (pair["first"], pair["second"]) == (compared["methods"][0]["name"], name):
            low, high = pair["interval"]
            return {
                "gain": _points(-pair["difference"]), "interval": [_points(-high), _points(-low)],
                "p": pair["p_walks_holm"],
            }  # fmt: skip
    return {"gain": None, "interval": None, "p": None}


def _points(difference: float) -> float:
    return 100 * difference + 0.0  # no -0.0


def _order(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Rows that the paper has, from worst to best accuracy, there and here.

    The order is the same only where every row is better than the one before it, by any amount.
    """
    known = [row for row in rows if row["paper"] and "accuracy" in row["scores"]]
    if len(known) < 2:
        return None
    paper = sorted(known, key=lambda row: float(row["paper"]["accuracy"]))
    own = sorted(known, key=lambda row: float(row["scores"]["accuracy"][0]))
    scores = [row["scores"]["accuracy"][0] for row in paper]
    return {
        "paper": [row["name"] for row in paper],
        "measured": [row["name"] for row in own],
        "is_the_same": all(low < high for low, high in itertools.pairwise(scores)),
    }


def markdown(result: Mapping[str, Any]) -> str:
    """The whole benchmark as a Markdown page.

    Parameters
    ----------
    result : what benchmark.json holds
    """
    counts = result["walkers"]
    parts = [
        "# Walkers",
        f"{counts['n_subjects']} people, {counts['n_subjects_with_two_days']} of them on two days; "
        f"{counts['n_walks']} walks in {counts['n_recordings']} simulated recordings: "
        f"{counts['n_clips']} clips ({counts['n_rejected_clips']} rejected), "
        f"{counts['n_faces']} faces. Simulated and ingested in {counts['seconds']} s.",
    ]
    for found in result["tables"]:
        title = TITLES[found["beside"]]
        parts += [f"## {found['name']}{f': {title}' if title else ''}", found["about"]]
        parts += [tables.table(*_table(found["rows"])), found["doubt"], *_verdict(found)]
    return "\n\n".join(parts) + "\n"


def _table(rows: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Columns and rows; a column that no row fills is left out."""
    columns = ["method", *(_SCORES[score] for score in rows[0]["scores"]),
               "gain (95 %)", "p", "paper: accuracy / recall / F1", "paper: gain"]  # fmt: skip
    lines = [
        [row["name"] + (f" ({row['tuned']})" if row["tuned"] else ""),
         *map(_cell, row["scores"].values()), _gain_cell(row),
         "" if row["p"] is None else f"{row['p']:.3f}", *_paper_cells(row["paper"])]
        for row in rows
    ]  # fmt: skip
    filled = [k for k in range(len(columns)) if any(line[k] for line in lines)]
    return [columns[k] for k in filled], [[line[k] for k in filled] for line in lines]


def _cell(score: Sequence[float | None]) -> str:
    mean, deviation = score
    return f"{mean:.1f}" + ("" if deviation is None else f" ± {deviation:.1f}")


def _gain_cell(row: Mapping[str, Any]) -> str:
    if row["gain"] is None:
        return ""
    low, high = row["interval"]
    return f"{row['gain']:+.1f} ({low:+.1f} to {high:+.1f})"


def _paper_cells(paper: Mapping[str, Any] | None) -> list[str]:
    if paper is None:
        return ["", ""]
    scores = " / ".join(f"{paper[key]:.2f}" for key in ("accuracy", "macro_recall", "macro_f1"))
    return [scores, f"{paper['gain']:+.2f}" if paper["gain"] else ""]


def _verdict(found: Mapping[str, Any]) -> list[str]:
    """Whether the paper's order is found again, and which gains are more than luck."""
    order = found["order"]
    if order is None:
        return []
    sure = [row["name"] for row in found["rows"] if row["p"] is not None and row["p"] < _LEAST_P]
    beyond = f"differs from {found['rows'][0]['name']} by more than luck (p < {_LEAST_P:g})"
    return [
        f"From worst to best the paper has: {'; '.join(order['paper'])}. "
        + ("So has this table." if order["is_the_same"]
           else f"This table: {'; '.join(order['measured'])}.")
        + f" What {beyond}: {'; '.join(sure) or 'none'}."
    ]  # fmt: skip
