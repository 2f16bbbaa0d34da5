"""What the numbers of a run look like: curves of training and of errors, people, embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import norm

from radarid import seeding
from radarid.learn.openset import unit

_BLUE, _ORANGE, _RED, _GREY = "tab:blue", "tab:orange", "tab:red", "0.6"
_DET_TICKS = (0.001, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99)
_MOST_POINTS = 1000
_MOST_NAMES = 20


def new(width: float, height: float, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure with axes side by side; sizes in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, list(np.atleast_1d(figure.subplots(1, columns)))


def training(epochs: Sequence[Mapping[str, Any]], exported: int | None) -> Figure:
    """Losses, and accuracy in training and validation, over the epochs.

    Parameters
    ----------
    epochs : lines of metrics.jsonl
    exported : epoch whose weights became the student; None for an average over several
    """
    figure, (left, right) = new(9, 3.4, 2)
    x = [line["epoch"] + 1 for line in epochs]
    for name in epochs[0]["losses"]:
        left.plot(x, [line["losses"][name] for line in epochs], label=name, linewidth=1)
    left.plot(x, [line["loss"] for line in epochs], color="black", label="total, weighted")
    left.set(xlabel="epoch", ylabel="loss")
    for key, label, colour in (("train_accuracy", "training (accuracy)", _GREY),
                               ("val_macro_recall", "validation (macro recall)", _BLUE)):
        right.plot(x, [100 * line[key] for line in epochs], color=colour, label=label)
    if exported is not None:
        right.axvline(exported + 1, color=_ORANGE, linestyle="--", label="exported")
    right.set(xlabel="epoch", ylabel="clips right (%)", ylim=(0, 102))
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    return figure


def people(per_subject: Mapping[str, Mapping[str, Any]], chance: float) -> Figure:
    """Recall of every person, the worst off first."""
    names = sorted(per_subject, key=lambda name: per_subject[name]["recall"])
    figure, (axes,) = new(7, 1.2 + 0.24 * len(names))
    values = [100 * per_subject[name]["recall"] for name in names]
    axes.barh(range(len(names)), values, color=_BLUE)
    for k, name in enumerate(names):
        axes.text(values[k] + 1, k, f"{values[k]:.0f} % of {per_subject[name]['n_clips']}",
                  va="center", fontsize=8)  # fmt: skip
    axes.axvline(100 * chance, color=_GREY, linestyle=":", label="chance")
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set(xlabel="test clips right (%)", xlim=(0, 118), xticks=range(0, 101, 20))
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def retrieval(scores: Mapping[str, Any]) -> Figure:
    """CMC and DET curve of recordings against templates.

    Parameters
    ----------
    scores : `retrieval` of evaluation.json
    """
    figure, (left, right) = new(9, 3.6, 2)
    ranks = np.arange(1, len(scores["cmc"]) + 1)
    left.plot(ranks, 100 * np.array(scores["cmc"]), "o-", color=_BLUE, markersize=3)
    left.plot(ranks, 100 * ranks / len(ranks), color=_GREY, linestyle=":", label="chance")
    left.set(title="CMC", xlabel="rank", ylabel="found among the first (%)", ylim=(0, 102))
    finest = 0.5 / scores["n_impostor"], 0.5 / scores["n_genuine"]
    far, frr = (
        norm.ppf(np.clip(scores["det"][key], low, 1 - low))
        for key, low in zip(("far", "frr"), finest, strict=True)
    )
    right.plot(far, frr, color=_BLUE)
    ends = norm.ppf([min(finest), 1 - min(finest)])
    right.plot(ends, ends, color=_GREY, linestyle=":", label=f"equal: {scores['eer']:.1%}")
    ticks = [tick for tick in _DET_TICKS if min(finest) <= tick <= 1 - min(finest)]
    labels = [f"{100 * tick:g}" for tick in ticks]
    right.set_xticks(norm.ppf(ticks), labels)
    right.set_yticks(norm.ppf(ticks), labels)
    right.set(title="DET", xlabel="others accepted (%)", ylabel="own refused (%)",
              xlim=ends, ylim=ends)  # fmt: skip
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    return figure


def reliability(calibration: Mapping[str, Any]) -> Figure:
    """Accuracy against confidence, before and after temperature scaling.

    Parameters
    ----------
    calibration : of evaluation.json
    """
    figure, both = new(9, 3.8, 2)
    titles = ("as trained", f"temperature {calibration['temperature']:.2f}")
    for axes, key, title in zip(both, ("before", "after"), titles, strict=True):
        bins = calibration["reliability"][key]
        n, accuracy, confidence = (np.array(bins[k]) for k in ("n", "accuracy", "confidence"))
        edges, share = np.linspace(0, 1, len(n) + 1), n / n.sum()
        axes.bar(edges[:-1], share, 1 / len(n), align="edge", color="0.88", label="share of clips")
        axes.plot([0, 1], [0, 1], color=_GREY, linestyle=":")
        some = n > 0
        axes.vlines(confidence[some], confidence[some], accuracy[some], color=_RED, alpha=0.4)
        axes.scatter(confidence[some], accuracy[some], 12 + 120 * share[some], color=_BLUE,
                     zorder=3, label="accuracy")  # fmt: skip
        axes.set(title=f"{title}: ECE {calibration[key]['ece']:.3f}", xlim=(0, 1), ylim=(0, 1.02),
                 xlabel="confidence", ylabel="accuracy, share")  # fmt: skip
        axes.legend(fontsize=8, loc="upper left")
    return figure


def embedding_map(
    embeddings: np.ndarray, labels: np.ndarray, right: np.ndarray, subjects: Sequence[str]
) -> Figure:
    """t-SNE of clips by the direction of their embeddings (van der Maaten and Hinton, JMLR 2008).

    Parameters
    ----------
    embeddings : float array, shape (n, d), n >= 5; a thousand of them, at most, are drawn
    labels : int array, shape (n,)
    right : bool array, shape (n,), whether the clip's decision is
    subjects : names, by label
    """
    from sklearn.manifold import TSNE

    chosen = np.sort(seeding.rng(0, "t-SNE").permutation(len(labels))[:_MOST_POINTS])
    labels, right = labels[chosen], right[chosen]
    perplexity = min(30.0, (len(chosen) - 1) / 3)
    places = TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(
        unit(embeddings[chosen])
    )
    figure, (axes,) = new(8, 5.5)
    colours = _colours(len(subjects))
    for label, name in enumerate(subjects):
        own = (labels == label) & right
        axes.scatter(places[own, 0], places[own, 1], 22, color=colours[label], label=name)
        missed = (labels == label) & ~right
        axes.scatter(places[missed, 0], places[missed, 1], 40, color=colours[label], marker="X",
                     edgecolor="black", linewidth=0.8)  # fmt: skip
    axes.set(xticks=[], yticks=[])
    if len(subjects) <= _MOST_NAMES:
        axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def _colours(n: int) -> np.ndarray:
    """Colours that differ, float (n, 4)."""
    import matplotlib

    if n <= 10:
        return np.array(matplotlib.colormaps["tab10"](np.arange(n)))
    return np.array(matplotlib.colormaps["gist_rainbow"](np.linspace(0, 1, n)))


def shares(
    values: np.ndarray, rows: Sequence[str], columns: Sequence[str], label: str
) -> Figure:
    """Shares, float (n_rows, n_columns) in [0, 1], as a table of shades; NaN stays white."""
    size = (3 + 0.42 * len(columns), 1.8 + 0.3 * len(rows))
    figure, (axes,) = new(*size)
    image = axes.imshow(values, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(columns)), columns, rotation=90, fontsize=8)
    axes.set_yticks(range(len(rows)), rows, fontsize=8)
    for row, column in np.argwhere(np.isfinite(values)):
        share = values[row, column]
        axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=7,
                  color="white" if share > 0.5 else "black")  # fmt: skip
    figure.colorbar(image, label=label)
    return figure


def validation(curves: Mapping[str, np.ndarray]) -> Figure:
    """Macro recall in validation over the epochs, one line a method: mean, least and most.

    Parameters
    ----------
    curves : method -> float array, shape (n_seeds, n_epochs), in [0, 1]
    """
    figure, (axes,) = new(8, 3.8)
    for (name, values), colour in zip(curves.items(), _colours(len(curves)), strict=True):
        epochs = np.arange(1, values.shape[1] + 1)
        axes.plot(epochs, 100 * values.mean(0), color=colour, label=name, linewidth=1.3)
        low, high = 100 * values.min(0), 100 * values.max(0)
        axes.fill_between(epochs, low, high, color=colour, alpha=0.12, linewidth=0)
    axes.set(xlabel="epoch", ylabel="validation clips right (%, macro)", ylim=(0, 102))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    return figure
