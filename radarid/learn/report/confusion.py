"""Who is taken for whom, as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure


def draw_confusion(path: Path, confusion: Mapping[str, Any], title: str) -> None:
    """Draw who is taken for whom.

    Parameters
    ----------
    path : of the PNG
    confusion : `subjects`, and `clips` with one row for each true person
    title : of the picture
    """
    confusion_figure(confusion, title).savefig(path, dpi=100)


def confusion_figure(confusion: Mapping[str, Any], title: str) -> Figure:
    """See `draw_confusion`."""
    subjects, counts = confusion["subjects"], np.array(confusion["clips"], float)
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    n = len(subjects)
    figure = Figure(figsize=(3 + 0.35 * n, 2.5 + 0.35 * n), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    axes.set(title=title, xlabel="taken for", ylabel="really")
    axes.set_xticks(range(n), subjects, rotation=90)
    axes.set_yticks(range(n), subjects)
    if n <= 20:
        for row, column in np.argwhere(counts > 0):
            colour = "white" if share[row, column] > 0.5 else "black"
            text = f"{counts[row, column]:.0f}"
            axes.text(column, row, text, ha="center", va="center", color=colour)
    figure.colorbar(image, label="share of the person's clips", shrink=0.8)
    return figure
