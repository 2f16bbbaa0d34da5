"""Picture of a published chain's image, between its true axes and the published ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axis import Axis
from matplotlib.figure import Figure

from radarid.dsp.compat import CompatSpectrogram
from radarid.dsp.plots import save_picture

_INK, _PUBLISHED = "#22262b", "#b5483a"
_N_TICKS = 6


def published_image(path: Path, found: CompatSpectrogram, span_db: float, title: str) -> Path:
    """Draw an image with true time and velocity below and left, the published ones opposite.

    Parameters
    ----------
    path : PNG file to write
    found : image and axes
    span_db : from the image's peak down to black
    title : file name and waveform

    Returns
    -------
    Path
        `path`
    """
    figure = Figure(figsize=(7.2, 6.4), layout="constrained")
    figure.suptitle(title, fontsize=9, color=_INK)
    plot = figure.add_subplot()
    peak_db = float(found.image.max())
    picture = plot.imshow(
        found.image, aspect="auto", cmap="magma", interpolation="nearest",
        origin="lower" if found.velocity_mps[0] < 0 else "upper",
        vmin=peak_db - span_db, vmax=peak_db,
    )  # fmt: skip
    figure.colorbar(picture, ax=plot, label="level / dB", pad=0.02)
    right, top = plot.twinx(), plot.twiny()
    right.set_ylim(plot.get_ylim())
    top.set_xlim(plot.get_xlim())
    _label(plot.xaxis, found.time_s, "time / s", _INK)
    _label(plot.yaxis, found.velocity_mps, "radial velocity / (m/s)", _INK)
    _label(top.xaxis, found.published_time_s, "published time / s", _PUBLISHED)
    _label(right.yaxis, found.published_velocity_mps, "published velocity / (m/s)", _PUBLISHED)
    return save_picture(figure, path)


def _label(axis: Axis, values: np.ndarray, name: str, colour: str) -> None:
    """Label pixels with the values that they stand for."""
    places = np.linspace(0, len(values) - 1, _N_TICKS)
    shown = np.interp(places, np.arange(len(values)), values)
    axis.set_ticks(places, [f"{value:.2f}" for value in shown])
    axis.set_label_text(name, color=colour)
    axis.set_tick_params(colors=colour)
