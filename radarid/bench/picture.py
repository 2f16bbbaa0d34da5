"""The report as a picture: contenders, stages, and scaling where it was measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

_OURS, _OTHERS, _LIBRARY = "tab:blue", "0.7", "tab:orange"


def draw(report: dict[str, Any], path: Path) -> None:
    """Write the picture; the format follows the file's suffix."""
    points = report.get("scaling", [])
    keys = list(dict.fromkeys(point["key"] for point in points))
    figure = Figure(figsize=(13, 5 if not keys else 8.5), layout="constrained")
    grid = figure.add_gridspec(
        2 if keys else 1, max(2, len(keys)), height_ratios=[3, 2][: 1 + bool(keys)]
    )
    half = max(2, len(keys)) // 2
    _contenders(figure.add_subplot(grid[0, :half]), report)
    _stages(figure.add_subplot(grid[0, half:]), report)
    for k, key in enumerate(keys):
        own = [point for point in points if point["key"] == key]
        _scaling(figure.add_subplot(grid[1, k]), key, own, first=k == 0)
    figure.suptitle(
        f"{report['workload']['name']}, {report['capture_s']:.1f} s of radar"
        f" - {report['environment']['cpu']}, {report['environment']['float32_lanes']} lanes",
        fontsize=10,
    )
    figure.savefig(path, dpi=110)


def _contenders(axes: Axes, report: dict[str, Any]) -> None:
    rows = report["whole"]["contenders"]
    names = list(rows)[::-1]
    values = [rows[name]["ms_per_radar_s"] for name in names]
    colours = [_OURS if name.startswith("radarid") else _OTHERS for name in names]
    axes.barh(names, values, color=colours)
    for k, name in enumerate(names):
        ratio = rows[name]["over_radarid_2t"]
        label = f" {values[k]:.1f}   {ratio['median']:.2f}x ({ratio['min']:.2f}-{ratio['max']:.2f})"
        axes.text(values[k], k, label, va="center", fontsize=8)
    axes.set_xscale("log")
    axes.set_xlim(min(values) / 2, max(values) * 30)
    axes.set_xlabel("ms of computation per second of radar; times radarid's on two threads")
    axes.set_title("raw file to 256 x 256 image", fontsize=10)


def _stages(axes: Axes, report: dict[str, Any]) -> None:
    rows = [row for row in report["stages"]][::-1]
    labels = [f"{row['stage']}, {row['n_threads']}T" for row in rows]
    values = [row["ms_per_radar_s"] for row in rows]
    colours = [_LIBRARY if "alone" in row["stage"] else _OURS for row in rows]
    axes.barh(labels, values, color=colours)
    for k, row in enumerate(rows):
        rate = f"  {row['gflops']:.0f} GFLOP/s, {row['share_of_peak']:.0%} of peak"
        text = f" {values[k]:.2f}{rate if row['gflops'] else ''}"
        axes.text(values[k], k, text, va="center", fontsize=8)
    axes.set_xlim(0, max(values) * 1.7)
    axes.set_xlabel("ms per second of radar")
    axes.set_title("stage by stage (orange: the libraries' bare range transform)", fontsize=10)


def _scaling(axes: Axes, key: str, points: list[dict[str, Any]], first: bool) -> None:
    values = [point["value"] for point in points]
    for name in points[0]["ms_per_radar_s"]:
        times = [point["ms_per_radar_s"][name] for point in points]
        axes.loglog(values, times, "o-", ms=3, label=name)
    axes.set_xticks(values, [str(value) for value in values])
    axes.minorticks_off()
    axes.set_xlabel(key.replace("_", " "))
    if first:
        axes.set_ylabel("ms per radar s")
        axes.legend(fontsize=6)
