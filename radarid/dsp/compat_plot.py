"""Picture of a published chain's image, between its true axes and the published ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes as Plot
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
        found.image, origin="lower", aspect="auto", cmap="magma", interpolation="nearest",
        vmin=peak_db - span_db, vmax=peak_db,
    )  # fmt: skip
    figure.colorbar(picture, ax=plot, label="level / dB", pad=0.02)
    _label(plot, found.time_s, found.velocity_mps, "true", _INK)
    opposite = plot.twinx().twiny()
    opposite.set(xlim=plot.get_xlim(), ylim=plot.get_ylim())
    _label(
        opposite, found.published_time_s, found.published_velocity_mps, "as published", _PUBLISHED
    )
    opposite.yaxis.set(ticks_position="right", label_position="right")
    return save_picture(figure, path)


def _label(
    plot: Plot, time_s: np.ndarray, velocity_mps: np.ndarray, which: str, colour: str
) -> None:
    places = np.linspace(0, len(time_s) - 1, _N_TICKS)
    pixels = np.arange(len(time_s))
    plot.set_xticks(places, [f"{t:.2f}" for t in np.interp(places, pixels, time_s)])
    plot.set_yticks(places, [f"{v:.2f}" for v in np.interp(places, pixels, velocity_mps)])
    plot.set_xlabel(f"time / s, {which}", color=colour)
    plot.set_ylabel(f"radial velocity / (m/s), {which}", color=colour)
    plot.tick_params(colors=colour)
