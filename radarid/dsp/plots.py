"""Pictures of each stage as small PNG files, in colours that the colour-blind can read."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes as Plot
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patheffects import withStroke
from PIL import Image

from capture.config import RadarConfig
from radarid.dsp.clips import Clip, columns_at, to_image
from radarid.dsp.gating import level_over_noise_db
from radarid.dsp.params import DspParams
from radarid.dsp.slices import Axes, Slices

_COLORMAP = "magma"
_LOST = "#b8c4cc"  # what was not received is grey, never black
_TRACKS = ("#4cc9f0", "#b5f44a", "#ffffff", "#5b8cff")  # on magma, one per walker in turn
_INK = "#22262b"
_DPI = 110
_COLUMNS = 1200
_MAX_BYTES = 190_000


def describe(radar: RadarConfig) -> str:
    """One line about a waveform for a title."""
    return (
        f"{radar.device}, {radar.center_frequency_hz / 1e9:.1f} GHz,"
        f" {radar.sampled_bandwidth_hz / 1e6:.0f} MHz ({radar.range_resolution_m * 100:.1f} cm),"
        f" {radar.n_slow} chirps every {radar.slow_time_interval_s * 1e6:.0f} us"
        f" in {radar.frame_period_s * 1e3:.4g} ms, {radar.n_virtual} virtual antenna"
        + "s" * (radar.n_virtual > 1)
    )


def range_time(path: Path, slices: Slices, axes: Axes, params: DspParams, title: str) -> Path:
    """Draw moving energy over range and time, with the track and the gate of every walker.

    Parameters
    ----------
    path : PNG file to write
    slices, axes : of one recording
    params : which slices count as valid, and as showing a walker; the gate
    title : file name and waveform

    Returns
    -------
    Path
        `path`
    """
    figure, plot = _figure(title, height=4.6)
    level = np.full(slices.range_energy.shape, np.nan)
    for row, energy in zip(level, slices.range_energy, strict=True):
        if np.isfinite(energy).all():
            row[:] = level_over_noise_db(energy)
    range_ends = _ends(axes.range_m)
    picture = _image(plot, level.T, _ends(slices.frame_time_s), range_ends, (0.0, 40.0))
    figure.colorbar(picture, ax=plot, label="level over noise / dB", pad=0.02)
    walkers = slices.tracks()
    for walker in walkers:
        name = f"walker {walker}" if len(walkers) > 1 else "walker"
        _draw_track(plot, slices.of(walker), params, _TRACKS[walker % len(_TRACKS)], name)
    if np.isnan(level).any():
        plot.plot([], [], color=_LOST, linewidth=6, label="lost")
    plot.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=6, frameon=False, fontsize=8)
    plot.set(xlabel="time / s", ylabel="range / m", ylim=range_ends)
    return save_picture(figure, path)


def _draw_track(plot: Plot, walker: Slices, params: DspParams, color: str, name: str) -> None:
    """Where one walker's body is, and thinner, the edges of the gate; a gap where nobody is."""
    shown = (walker.presence_db >= params.min_presence_db) & (walker.valid >= params.min_valid)
    body_m = np.where(shown, walker.range_m, np.nan)
    dark = [withStroke(linewidth=3.2, foreground=_INK)]
    plot.plot(walker.time_s, body_m, color=color, linewidth=1.6, label=name, path_effects=dark)
    if np.isfinite(params.gate_m):
        gate = f"its gate, $\\pm${params.gate_m:g} m"
        for side, label in ((-1, gate), (1, None)):
            plot.plot(
                walker.time_s, body_m + side * params.gate_m, color=color, linewidth=0.8,
                linestyle=(0, (4, 3)), alpha=0.9, label=label,
            )  # fmt: skip


def spectrogram(path: Path, slices: Slices, axes: Axes, params: DspParams, title: str) -> Path:
    """Draw the micro-Doppler spectrogram of a whole recording; lost time is grey.

    Parameters
    ----------
    path : PNG file to write
    slices, axes, params : of one recording
    title : file name and waveform

    Returns
    -------
    Path
        `path`
    """
    figure, plot = _figure(title, height=4.2)
    draw_spectrogram(figure, plot, slices, axes, params)
    return save_picture(figure, path)


def draw_spectrogram(
    figure: Figure, plot: Plot, slices: Slices, axes: Axes, params: DspParams
) -> None:
    """Draw the spectrogram of a whole recording into a plot of a figure."""
    seconds = np.linspace(slices.time_s[0], slices.time_s[-1], _COLUMNS)
    columns = columns_at(slices, axes, params, seconds)
    level_db = (to_image(columns.power, columns.valid, params) - 1) * params.span_db
    level_db[:, ~columns.valid] = np.nan
    limits = -params.span_db, 0.0
    picture = _image(plot, level_db, _ends(seconds), _ends(axes.velocity_mps), limits)
    figure.colorbar(picture, ax=plot, label="power under the peak / dB", pad=0.02)
    plot.set(xlabel="time / s", ylabel="radial velocity / (m/s), positive away")


def clips(path: Path, found: Sequence[Clip], params: DspParams, title: str) -> Path:
    """Draw a contact sheet of the clips, twelve at most, evenly chosen.

    Parameters
    ----------
    path : PNG file to write
    found : clips of one recording, or of a store
    params : duration of a clip
    title : file name and waveform

    Returns
    -------
    Path
        `path`
    """
    chosen = [found[k] for k in np.unique(np.linspace(0, len(found) - 1, 12).astype(int))]
    captions = [
        f"{clip.start_s:.1f} s, {clip.direction}, quality {clip.quality:.2f}" for clip in chosen
    ]
    images = [np.where(clip.valid, clip.image, np.nan) for clip in chosen]
    return contact_sheet(path, images, captions, f"{title}\nclips of {params.clip_s:g} s")


def contact_sheet(
    path: Path, images: Sequence[np.ndarray], captions: Sequence[str], title: str
) -> Path:
    """Draw clip images side by side, six a row; NaN is drawn as lost.

    Parameters
    ----------
    path : PNG file to write
    images : float arrays (n_velocity, n_time) in [0, 1]
    captions : one per image
    title : of the sheet
    """
    n_columns = min(6, max(4, len(images)))
    n_rows = max(1, -(-len(images) // n_columns))
    figure = Figure(figsize=(11, 0.7 + n_rows * 12.6 / n_columns), layout="constrained")
    figure.suptitle(title, fontsize=9, color=_INK)
    for k, (image, caption) in enumerate(zip(images, captions, strict=True)):
        plot = figure.add_subplot(n_rows, n_columns, k + 1)
        _image(plot, image, (0, 1), (0, 1), (0.0, 1.0))
        plot.set_title(caption, fontsize=6.5, color=_INK)
        plot.set(xticks=[], yticks=[])
    return save_picture(figure, path)


def breathing(
    path: Path,
    time_s: np.ndarray,
    displacement_m: np.ndarray,
    per_minute: float | None,
    title: str,
) -> Path:
    """Draw the displacement that the phase of the strongest bin shows.

    Parameters
    ----------
    path : PNG file to write
    time_s, displacement_m : float arrays, shape (n_frames,)
    per_minute : breathing rate, if the recording is long enough to show one
    title : file name and waveform
    """
    if per_minute is not None:
        title = f"{title}, {per_minute:.1f} breaths per minute"
    figure, plot = _figure(title, height=3.2)
    plot.plot(time_s, displacement_m * 1e3, color="#1d6996", linewidth=1.3)
    plot.set(xlabel="time / s", ylabel="displacement / mm", xlim=(time_s[0], time_s[-1]))
    plot.grid(alpha=0.25)
    return save_picture(figure, path)


def compare_spectrograms(
    path: Path,
    panels: Sequence[tuple[str, np.ndarray, np.ndarray, np.ndarray]],
    span_db: float = 45.0,
) -> Path:
    """Draw spectrograms below each other on one dB span, each under its own peak.

    Parameters
    ----------
    path : PNG file to write
    panels : (title, time_s (n_time,), velocity_mps (n_velocity,), level_db (n_velocity, n_time))
        Axes evenly spaced and ascending.
    span_db : from each panel's 99.9 % quantile down to black
    """
    figure = Figure(figsize=(10, 2.6 * len(panels) + 0.4), layout="constrained")
    for k, (title, time_s, velocity_mps, level_db) in enumerate(panels):
        plot = figure.add_subplot(len(panels), 1, k + 1)
        below = level_db - np.nanquantile(level_db, 0.999)
        picture = _image(plot, below, _ends(time_s), _ends(velocity_mps), (-span_db, 0.0))
        figure.colorbar(picture, ax=plot, label="dB", pad=0.01)
        plot.set_title(title, fontsize=9, color=_INK, loc="left")
        plot.set(ylabel="velocity / (m/s)")
    plot.set(xlabel="time / s")
    return save_picture(figure, path)


def _figure(title: str, height: float) -> tuple[Figure, Plot]:
    figure = Figure(figsize=(10, height), layout="constrained")
    plot = figure.add_subplot()
    plot.set_title(title, fontsize=9, color=_INK, loc="left")
    return figure, plot


def _image(
    plot: Plot,
    values: np.ndarray,
    x_ends: tuple[float, float],
    y_ends: tuple[float, float],
    limits: tuple[float, float],
) -> AxesImage:
    plot.set_facecolor(_LOST)
    return plot.imshow(
        np.ma.masked_invalid(values), extent=(*x_ends, *y_ends), origin="lower", aspect="auto",
        cmap=_COLORMAP, vmin=limits[0], vmax=limits[1], interpolation="nearest",
    )  # fmt: skip


def _ends(centres: np.ndarray) -> tuple[float, float]:
    """Outer edges of the first and the last cell of an evenly spaced axis."""
    half = (centres[-1] - centres[0]) / max(1, len(centres) - 1) / 2
    return float(centres[0] - half), float(centres[-1] + half)


def save_picture(figure: Figure, path: Path) -> Path:
    """Write a palette PNG, of as many colours as fit into `_MAX_BYTES`."""
    buffer = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(buffer, format="png", dpi=_DPI, facecolor="white")
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.open(buffer).convert("RGB")
    for n_colors in (256, 128, 64, 32):
        picture.quantize(n_colors, dither=Image.Dither.NONE).save(path, optimize=True)
        if path.stat().st_size <= _MAX_BYTES:
            break
    return path
