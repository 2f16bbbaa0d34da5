"""One picture that shows whether radar and camera were brought together rightly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes as Plot
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec, GridSpecFromSubplotSpec
from matplotlib.patches import Rectangle

from capture.camera.sync import History, Sync
from radarid.dsp.params import DspParams
from radarid.dsp.plots import draw_spectrogram, save_picture
from radarid.dsp.slices import Axes, Slices

RADAR, CAMERA, DOUBT = "#1d6996", "#e17c05", "#8a8f98"
_INK = "#22262b"


@dataclass(frozen=True)
class Still:
    """A picture of the camera.

    Attributes
    ----------
    camera_s : its time, seconds since the camera's first picture
    image : uint8 array, shape (height, width, 3), RGB
    faces : boxes x1, y1, x2, y2 of the faces found in it, pixels
    """

    camera_s: float
    image: np.ndarray
    faces: tuple[tuple[float, float, float, float], ...] = ()


def synchronisation(
    path: Path, found: Sync, radar: History, camera: History, stills: Sequence[Still],
    slices: Slices, axes: Axes, params: DspParams, title: str, known: tuple[float, str] | None,
) -> Path:  # fmt: skip
    """Draw pictures, spectrogram and both histories of motion on one time axis, and the search.

    Parameters
    ----------
    path : PNG file to write
    found : the search for the offset
    radar, camera : histories of motion, each on its own clock
    stills : some of the camera's pictures, in order of time
    slices, axes, params : of the radar's recording
    title : file names and waveform
    known : an offset that was known before, and from where
    """
    figure = Figure(figsize=(10, 9.6), layout="constrained")
    figure.suptitle(title, fontsize=9, color=_INK)
    grid = GridSpec(4, 1, figure=figure, height_ratios=[1.5, 2.2, 1.4, 1.6])
    _draw_stills(figure, grid, stills, found.offset_s)
    spectrogram = figure.add_subplot(grid[1])
    draw_spectrogram(figure, spectrogram, slices, axes, params)
    for still in stills:
        seen_s = still.camera_s + found.offset_s
        spectrogram.axvline(seen_s, color="white", linewidth=0.8, alpha=0.7)
    spectrogram.set(xlabel="", ylabel="radial velocity / (m/s)")
    motion = figure.add_subplot(grid[2])
    _draw_motion(motion, radar, camera, found.offset_s)
    motion.set_xlim(*spectrogram.get_xlim())
    _draw_search(figure.add_subplot(grid[3]), found, known)
    return save_picture(figure, path)


def _draw_stills(
    figure: Figure, grid: GridSpec, stills: Sequence[Still], offset_s: float
) -> None:
    places = GridSpecFromSubplotSpec(1, max(1, len(stills)), subplot_spec=grid[0])
    for k, still in enumerate(stills):
        plot = figure.add_subplot(places[k])
        plot.imshow(still.image)
        for x1, y1, x2, y2 in still.faces:
            plot.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor=CAMERA,
                                     linewidth=1.6))  # fmt: skip
        plot.set(xticks=[], yticks=[])
        faces = {0: "no face", 1: "a face"}.get(len(still.faces), f"{len(still.faces)} faces")
        plot.set_title(f"{still.camera_s + offset_s:.2f} s, {faces}", fontsize=7.5, color=_INK)


def _draw_motion(plot: Plot, radar: History, camera: History, offset_s: float) -> None:
    for history, shift_s, colour, name in (
        (radar, 0.0, RADAR, "radar: radial speed"),
        (camera, offset_s, CAMERA, f"camera: change of the picture, {offset_s:+.2f} s"),
    ):
        level = history.motion / max(float(np.nanquantile(history.motion, 0.98)), 1e-12)
        plot.plot(history.time_s + shift_s, level, color=colour, linewidth=1.1, label=name)
    plot.legend(loc="upper right", fontsize=7.5, framealpha=0.85, ncols=2)
    plot.set(xlabel="time on the radar's clock / s", ylabel="motion", ylim=(0, 1.45))
    plot.grid(alpha=0.25)


def _draw_search(plot: Plot, found: Sync, known: tuple[float, str] | None) -> None:
    plot.plot(found.tried_s, found.curve, color=_INK, linewidth=1.1)
    plot.axhline(found.noise_correlation, color=DOUBT, linestyle="--", linewidth=1,
                 label="unrelated motion stays below")  # fmt: skip
    colour = CAMERA if found.refusal is None else DOUBT
    low_s, high_s = found.offset_s - found.uncertainty_s, found.offset_s + found.uncertainty_s
    if np.isfinite(found.uncertainty_s):
        plot.axvspan(low_s, high_s, color=colour, alpha=0.35)
    plot.plot(found.offset_s, found.correlation, "o", color=colour,
              label=f"best: {found.offset_s:+.3f} s \u00b1 {found.uncertainty_s:.3f} s (95 %)")
    plot.plot(found.second_s, found.second_correlation, "v", color=DOUBT,
              label=f"next best: {found.second_s:+.2f} s")  # fmt: skip
    if known is not None:
        plot.axvline(known[0], color=RADAR, linestyle=":", label=f"{known[1]}: {known[0]:+.3f} s")
    verdict = "accepted" if found.refusal is None else f"refused: {found.refusal}"
    plot.set_title(verdict, fontsize=8.5, color=_INK, loc="left")
    plot.legend(loc="lower right", fontsize=7.5, framealpha=0.85)
    plot.set(xlabel="offset of the camera / s", ylabel="correlation", ylim=(-1, 1.05))
    plot.margins(x=0.01)
    plot.grid(alpha=0.25)
