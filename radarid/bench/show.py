"""The report as tables on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

_FILE_WIDTH = 210


def show(report: dict[str, Any]) -> None:
    """Print all tables of a report on stdout."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_FILE_WIDTH)
    environment = report["environment"]
    console.print(
        f"{environment['cpu']}, {environment['cores']} cores, {environment['float32_lanes']} lanes"
        f" of float32; vector peak {report['peak_gflops']['1']:.0f} GFLOP/s on one thread,"
        f" {report['peak_gflops']['2']:.0f} on two"
    )
    console.print(f"{report['workload']['name']}; {report['capture_s']:.1f} s of radar")
    for name, missing in report["skipped"].items():
        console.print(f"skipped: {name} (not installed: {', '.join(missing)})")
    for table in (_whole(report), _stages(report), _beside(report), _memory(report)):
        console.print(table)
    if "scaling" in report:
        console.print(_scaling(report))
    console.print(_goals(report))


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(title=title, title_justify="left")
    for k, column in enumerate(columns):
        table.add_column(column, justify="left" if k == 0 else "right")
    for row in rows:
        table.add_row(*row)
    return table


def _ratio(found: dict[str, float] | None) -> str:
    if found is None:
        return "-"
    return f"{found['median']:.2f} ({found['min']:.2f}-{found['max']:.2f})"


def _number(value: float | None, digits: int = 1) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _rates(row: dict[str, Any]) -> tuple[str, ...]:
    """MB/s, M FFT/s, GFLOP/s and share of the peak, where there are any."""
    return (
        f"{row['megabytes_per_s']:.0f}" if row["megabytes_per_s"] else "",
        *(
            (f"{row['mffts_per_s']:.2f}", f"{row['gflops']:.1f}", f"{row['share_of_peak']:.1%}")
            if row["gflops"]
            else ("", "", "")
        ),
    )


def _disturbed(row: dict[str, Any]) -> str:
    n = sum(one["foreign"] > 0.15 for one in row["samples"])
    return f"{n}/{len(row['samples'])}"


def _whole(report: dict[str, Any]) -> Table:
    whole = report["whole"]
    rows = [
        (
            name,
            f"{row['ms_per_radar_s']:.1f}",
            f"{row['cpu_ms_per_radar_s']:.1f}",
            f"{row['utilisation']:.2f}",
            f"{row['real_time_factor']:.1f}",
            *_rates(row),
            _ratio(row.get("over_radarid_2t")),
            _ratio(row.get("over_radarid_1t")),
            f"{whole['equality'][name]['max']:.1e}",
            _disturbed(row),
        )
        for name, row in whole["contenders"].items()
    ]
    columns = (
        "raw file -> image", "ms/s", "CPU ms/s", "CPU/wall", "x real time", "MB/s", "M FFT/s",
        "GFLOP/s", "of peak", "time over radarid 2T", "over radarid 1T", "max dB off", "disturbed",
    )  # fmt: skip
    title = (
        "whole chain: ms of computation per second of radar; ratios: median (min-max) of rounds\n"
        f"a second thread was worth {_ratio(whole['second_core'])} x one, in multiply-adds"
    )
    return _table(title, columns, rows)


def _stages(report: dict[str, Any]) -> Table:
    rows = [
        (
            f"{row['stage']}, {row['n_threads']}T",
            f"{row['ms_per_radar_s']:.2f}",
            *_rates(row),
            _disturbed(row),
        )
        for row in report["stages"]
    ]
    columns = ("stage", "ms/s", "MB/s", "M FFT/s", "GFLOP/s", "of peak", "disturbed")
    return _table("stage by stage, from hot memory ('open' is once a recording)", columns, rows)


def _beside(report: dict[str, Any]) -> Table:
    start_up, live = report["start_up"], report["live"]
    rows = [
        (
            f"{report['gapped']['workload']}, {name}",
            f"{row['ms_per_radar_s']:.1f} ms/s, {row['ns_per_fft']:.0f} ns per transform, "
            f"{_ratio(row['over_reference_per_fft'])} of the reference's",
        )
        for name, row in report["gapped"]["rows"].items()
    ]
    rows += [
        (
            f"process start to first image, kernels {name}",
            f"{row['first_image_s']:.2f} s, of which imports {row['imports_s']:.2f} s; "
            f"{row['cpu_s']:.2f} s of CPU",
        )
        for name, row in start_up.items()
    ]
    rows.append((
        "live: one frame in, its new slices out",
        f"p50 {live['p50_ms']:.2f} ms, p99 {live['p99_ms']:.2f} ms, max {live['max_ms']:.2f} ms, "
        f"{live['load']:.1%} of a core",
    ))  # fmt: skip
    return _table("beside it", ("what", "measured"), rows)


def _memory(report: dict[str, Any]) -> Table:
    short_s, long_s, _ = report["plan"]["memory_s"]
    memory = report["memory"]
    rows = [
        (name, *(_number(row[key]) for key in ("short_mb", "long_mb", "more_mb")))
        for name, row in memory["contenders"].items()
    ]
    stream = memory["stream"]
    rows.append((
        f"radarid, 1 thread, stream of {stream['seconds']:.0f} s",
        *(_number(stream[key]) for key in ("short_mb", "long_mb", "more_mb")),
    ))  # fmt: skip
    columns = ("peak memory beyond a warm process", f"{short_s:g} s / MB", f"{long_s:g} s", "more")
    return _table("anonymous memory", columns, rows)


def _scaling(report: dict[str, Any]) -> Table:
    points = report["scaling"]
    names = list(points[0]["ms_per_radar_s"])
    rows = [
        (
            f"{point['key']} = {point['value']}",
            *(f"{point['ms_per_radar_s'][name]:.1f}" for name in names),
            f"{point['mffts_per_s'][names[1]]:.2f}",
            _ratio(point["scipy_over_radarid"]),
        )
        for point in points
    ]
    columns = ("scaling", *(f"{name}, ms/s" for name in names), "M FFT/s, 2T", "SciPy over 2T")
    return _table("one size at a time", columns, rows)


def _goals(report: dict[str, Any]) -> Table:
    colours = {"aim": "green", "yes": "green", "no": "red", "not measured": "yellow"}
    rows = [
        (
            row["goal"],
            f"{row['at_least']:g} {row['unit']}",
            f"{row['aim']:g} {row['unit']}",
            "-" if row["measured"] is None else f"{row['measured']:.3g} {row['unit']}",
            f"[{colours[row['met']]}]{row['met']}[/]",
        )
        for row in report["goals"]
    ]
    return _table("goals", ("goal", "at least", "aim", "measured", "met"), rows)
