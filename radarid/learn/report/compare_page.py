"""The page of a comparison: scores, differences, tuned weights, and how the trainings went."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from radarid.learn import compare_tables as tables
from radarid.learn.checkpoint import read_json
from radarid.learn.report import figures, page
from radarid.learn.run_folder import RunFolder


def compare_page(folder: Path) -> str:
    """The page of a finished comparison, as HTML.

    Parameters
    ----------
    folder : with compare.json and the runs

    Raises
    ------
    RunError
        compare.json or files of a run are damaged.
    """
    result = read_json(folder / "compare.json")
    n = len(result["methods"])
    warnings = []
    if result["leaking"]:
        warnings.append(page.text("This split leaks: scores mean little.", "warn"))
    return page.page(
        f"Comparison {folder.name}",
        tables.describe(result),
        *warnings,
        page.picture(tables.picture(result), f"scores of {n} methods"),
        page.table(*tables.score_table(result)),
        page.text(tables.doubt(result, result["methods"][0]["name"])),
        _differences(result),
        _tuning(result),
        _people(folder, result),
        _training(folder, result),
        _runs(result),
    )


def _differences(result: Mapping[str, Any]) -> str:
    if not result["pairs"]:
        return ""
    rows = page.table(*tables.pair_table(result))
    many = len(result["pairs"]) > tables.MOST_PAIRS
    return page.section(
        "Differences", page.text(tables.PAIRS_TEXT),
        page.folded(f"All {len(result['pairs'])} pairs", rows) if many else rows,
    )  # fmt: skip


def _tuning(result: Mapping[str, Any]) -> str:
    if not any(row["tuning"] for row in result["methods"]):
        return ""
    return page.section(
        "The tuned weight", page.text(tables.tuning_text(result)),
        page.table(*tables.tuning_table(result)),
    )  # fmt: skip


def _people(folder: Path, result: Mapping[str, Any]) -> str:
    """Recall of every person by every method, mean over the seeds."""
    recalls = {
        row["name"]: [
            read_json(folder / run / "evaluation.json").get("recall_per_subject", {})
            for run in row["runs"]
        ]
        for row in result["methods"]
    }
    names = sorted({name for runs in recalls.values() for run in runs for name in run})
    if not names:
        return ""
    values = np.array([
        [np.mean([run.get(name, np.nan) for run in runs]) for runs in recalls.values()]
        for name in names
    ])  # fmt: skip
    figure = figures.shares(values, names, list(recalls), "recall")
    return page.section("People", page.picture(
        figure, "recall of every person by every method",
        "Share of the test clips of each person (rows) that is right, in %, mean over seeds.",
    ))  # fmt: skip


def _training(folder: Path, result: Mapping[str, Any]) -> str:
    curves = {}
    for row in result["methods"]:
        runs = [[line["val_macro_recall"] for line in RunFolder(folder / run).epochs()]
                for run in row["runs"]]  # fmt: skip
        n_epochs = min(map(len, runs))
        if n_epochs:
            curves[row["name"]] = np.array([run[:n_epochs] for run in runs])
    if not curves:
        return ""
    return page.section("Training", page.picture(
        figures.validation(curves), "validation scores over the epochs",
        "Mean over the seeds; shades from the least to the most, up to the epoch that all reached.",
    ))  # fmt: skip


def _runs(result: Mapping[str, Any]) -> str:
    rows = [
        [run, f"{100 * score:.1f}", f"{seconds:.0f} s"]
        for row in result["methods"]
        for run, score, seconds in zip(
            row["runs"], row["val_macro_recall"], row["seconds"], strict=True
        )
    ]
    columns = ["run", "validation, macro recall (%)", "epochs took"]
    return page.section(
        "Runs",
        page.folded("All runs", page.table(columns, rows)),
        page.text(f"Each is an ordinary run folder: radarid report RUN. Store: {result['store']}",
                  "soft"),
    )  # fmt: skip
