"""Live identification on a terminal: two strips, the decisions, and how the radar is received."""

from __future__ import annotations

from types import TracebackType

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel as Frame
from rich.segment import Segment, Segments
from rich.style import Style
from rich.table import Table
from rich.text import Text

from radarid.live.snapshot import Snapshot, Strip

_REFRESH_HZ = 8
_SPAN_DB = 35.0
_N_COLOURS = 24
# Dark blue over red to pale yellow: lighter is louder, on dark and on light terminals.
_STOPS = np.array([(10, 10, 40), (80, 20, 110), (190, 50, 80), (250, 140, 40), (252, 250, 180)])
_STATE_STYLES = {"receiving": "green", "waiting": "yellow", "silent": "red"}


class Panel:
    """Shows the newest snapshot, in a thread of its own; a listener and a context manager.

    Parameters
    ----------
    console : to draw on
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._newest: Snapshot | None = None
        self._live = Live(
            get_renderable=self._draw, console=console, refresh_per_second=_REFRESH_HZ,
            transient=False,
        )  # fmt: skip

    def __call__(self, snapshot: Snapshot) -> None:
        """Show a snapshot at the next refresh."""
        self._newest = snapshot

    def __enter__(self) -> Panel:
        self._live.start(refresh=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def _draw(self) -> RenderableType:
        newest = self._newest
        if newest is None:
            return Text("waiting for the radar")
        size = self._console.size
        return draw(newest, max(40, size.width), max(18, size.height - 1))


def draw(snapshot: Snapshot, width: int, height: int) -> RenderableType:
    """A snapshot for a terminal of this size."""
    n_rows = max(3, (height - 11 - len(snapshot.decisions)) // 2)
    strips = [
        Frame(picture(strip, width - 4, n_rows), title=title, title_align="left", height=n_rows + 2)
        for strip, title in (
            (snapshot.range_time, _title("distance", snapshot.range_time, "m")),
            (snapshot.spectrogram, _title("speed, + is away", snapshot.spectrogram, "m/s")),
        )
    ]
    return Group(*strips, _decisions(snapshot), _health(snapshot))


def picture(strip: Strip, width: int, n_rows: int) -> Segments:
    """A strip in half blocks: newest at the right, largest distance or speed at the top.

    Parameters
    ----------
    strip : what to show; nothing but background where it is empty
    width, n_rows : characters; a row has two pixels
    """
    shades = _shades(strip, width, 2 * n_rows)
    segments = []
    for upper, lower in zip(shades[::2], shades[1::2], strict=True):
        edges = np.flatnonzero(np.diff(upper) | np.diff(lower)) + 1
        for start, stop in zip([0, *edges], [*edges, width], strict=True):
            style = _STYLES[upper[start]][lower[start]]
            segments.append(Segment("▀" * int(stop - start), style))
        segments.append(Segment.line())
    return Segments(segments)


def _shades(strip: Strip, width: int, height: int) -> np.ndarray:
    """Numbers of colours, int (height, width), by the loudest of what a pixel covers."""
    shades = np.zeros((height, width), np.int64)
    n = len(strip.time_s)
    if not n or np.isnan(strip.level_db).all():
        return shades
    peak_db = np.nanquantile(strip.level_db, 0.999)
    level = np.nan_to_num((strip.level_db - peak_db) / _SPAN_DB + 1, nan=0.0)
    columns = min(width, n)
    rows = np.linspace(0, level.shape[1], height, endpoint=False).astype(int)
    times = np.linspace(0, n, columns, endpoint=False).astype(int)
    level = np.maximum.reduceat(np.maximum.reduceat(level, times, axis=0), rows, axis=1)
    scaled = np.clip(level * _N_COLOURS, 0, _N_COLOURS - 1).astype(np.int64)
    shades[:, width - columns :] = scaled.T[::-1]
    return shades


def _styles() -> list[list[Style]]:
    place = np.linspace(0, len(_STOPS) - 1, _N_COLOURS)
    colours = [
        "#{:02x}{:02x}{:02x}".format(
            *(int(np.interp(at, range(len(_STOPS)), _STOPS[:, k])) for k in range(3))
        )
        for at in place
    ]
    return [[Style(color=upper, bgcolor=lower) for lower in colours] for upper in colours]


_STYLES = _styles()


def _title(name: str, strip: Strip, unit: str) -> str:
    return f"{name}: {strip.axis[0]:.3g} to {strip.axis[-1]:.3g} {unit}"


def _decisions(snapshot: Snapshot) -> RenderableType:
    first = snapshot.decisions[0]
    if first.track < 0:
        return Text(f"{first.answer}: {first.reason}\n", "dim")
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("walker", "who", "score", "second", "clips", "going", "at"):
        table.add_column(name)
    for one in snapshot.decisions:
        style = "bold yellow" if one.answer == "unknown" else "bold green"
        table.add_row(
            str(one.track), Text(one.answer, style), f"{one.score:+.2f}", f"{one.second:+.2f}",
            str(one.n_clips), one.direction, f"{one.range_m:.1f} m",
        )  # fmt: skip
    return table


def _health(snapshot: Snapshot) -> Text:
    health, latency = snapshot.health, snapshot.latency_ms
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(health.state, _STATE_STYLES.get(health.state, "magenta"))
    line.append(
        f"  {health.packets_hz:.0f} packets/s, {health.frames_hz:.1f} frames/s, "
        f"{health.recent_loss:.1%} lost lately\n"
        f"{health.n_frames} frames, {health.n_incomplete} incomplete, {health.n_missing} missing, "
        f"{health.n_dropped} dropped; {health.n_restarts} restarts, "
        f"{health.n_recoveries} recoveries\n"
        f"frame {latency.get('frame', 0):.1f} ms, decision {latency.get('decision', 0):.1f} ms; "
        f"threshold {snapshot.threshold:+.2f}; "
        f"CPU {health.cpu_share:.0%}, {health.memory_bytes / 2**20:.0f} MiB"
    )
    return line
