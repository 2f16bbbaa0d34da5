"""The report as tables on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table


def show(report: dict[str, Any]) -> None:
    """Print all tables of a report on stdout."""
    console = Console(highlight=False)
    environment = report["environment"]
    console.print(
        f"{environment['cpu']}, {environment['cores']} cores, {environment['float32_lanes']} lanes"
        f" of float32; vector peak {report['peak_gflops']['1']:.0f} GFLOP/s on one thread,"
        f" {report['peak_gflops']['2']:.0f} on two"
    )
    console.print(f"{report['workload']['name']}; {report['capture_s']:.1f} s of radar")
    for name, missing in report["skipped"].items():
        console.print(f"skipped: {name} (not installed: {', '.join(missing)})")
    console.print(_whole(report))


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(title=title, title_justify="left")
    for k, column in enumerate(columns):
        table.add_column(column, justify="left" if k == 0 else "right")
    for row in rows:
        table.add_row(*row)
    return table


def ratio(found: dict[str, float] | None) -> str:
    """Median and range of paired ratios."""
    if found is None:
        return "-"
    return f"{found['median']:.2f} ({found['min']:.2f}-{found['max']:.2f})"


def _whole(report: dict[str, Any]) -> Table:
    whole = report["whole"]
    rows = [
        (
            name,
            f"{row['ms_per_radar_s']:.1f}",
            f"{row['cpu_ms_per_radar_s']:.1f}",
            f"{row['utilisation']:.2f}",
            f"{row['real_time_factor']:.1f}",
            f"{row['megabytes_per_s']:.0f}",
            f"{row['mffts_per_s']:.2f}",
            f"{row['gflops']:.1f}",
            f"{row['share_of_peak']:.1%}",
            ratio(row.get("over_radarid_2t")),
            ratio(row.get("over_radarid_1t")),
            f"{whole['equality'][name]['max']:.1e}",
            f"{row['n_disturbed']}/{len(row['samples'])}",
        )
        for name, row in whole["contenders"].items()
    ]
    columns = (
        "whole chain", "ms per radar s", "CPU ms", "CPU/wall", "x real time", "MB/s",
        "M FFT/s", "GFLOP/s", "of peak", "time over radarid 2T", "over 1T", "max dB off",
        "disturbed",
    )  # fmt: skip
    return _table("raw file -> 256 x 256 image", columns, rows)
