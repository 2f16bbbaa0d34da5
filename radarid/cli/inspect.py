"""`radarid inspect`: what a .bin file is, and why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from radarid.cli.output import JsonFlag, print_json, print_table

if TYPE_CHECKING:
    from capture.config import RadarConfig
    from capture.inspect.inspection import Inspection

_READINGS = """Word orders, best first; ruled out at a score of -1 and below.
mispairing: 0 where words belong together as the order says, towards 1 where not
implied range: how near the echoes would be; nearer is likelier"""


def inspect(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Raw .bin files.")],
    radar: Annotated[
        str | None, typer.Option(help="Radar configuration to check against: name or file.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Tell what raw recordings are: layout, frames, losses and health, with the evidence.

    Without --radar only what the bytes themselves say is told. Parts of one recording
    (..._Raw_0.bin, ..._Raw_1.bin) are read as one. Exit code 2: refused, and why.
    """
    from capture.file.stream import group_split_files
    from capture.inspect.inspection import inspect_recording

    config = _config(radar) if radar else None
    found = [inspect_recording(group, config) for group in group_split_files(files)]
    if as_json:
        documents = [item.as_dict() for item in found]
        print_json(documents[0] if len(documents) == 1 else documents)
    else:
        for item in found:
            _show(item)
    if any(item.refused for item in found):
        raise typer.Exit(2)


def _config(radar: str) -> RadarConfig:
    from capture.formats.load import load_radar_config
    from radarid.config import find

    return load_radar_config(find("radar", radar))


def _show(found: Inspection) -> None:
    files = ", ".join(path.name for path in found.files)
    values: dict[str, object] = {
        "layout": found.layout or "not settled",
        "framing": found.framing,
        "payload": f"{found.n_bytes:,} bytes",
        "frames": _known(found.n_frames),
        "bytes per frame": _known(found.frame_bytes),
        "bytes per repetition": _known(found.repetition_bytes),
        "antennas x samples": f"{_known(found.n_rx)} x {_known(found.n_samples)}",
        "missing": f"{found.missing_bytes:,} bytes",
        "after the last frame": "?" if found.trailing_bytes is None else (
            f"{found.trailing_bytes:,} bytes"
        ),
        "at full scale": f"{found.saturation:.4%} of the words",
        "bits": f"{found.bits_used} used of {found.adc_bits}",
        "offset I, Q": "; ".join(f"{i:g}, {q:g}" for i, q in found.dc) or "?",
        "silent antennas": ", ".join(map(str, found.dead_rx)) or ("none" if found.dc else "?"),
        "test pattern": found.test_pattern or "no",
    }  # fmt: skip
    print_table(files, ("", ""), values.items())
    if found.hypotheses:
        rows = [(h.name, f"{h.score:.2f}", h.evidence) for h in found.hypotheses]
        print_table(_READINGS, ("layout", "score", "evidence"), rows)
    for name, text in found.evidence.items():
        typer.echo(f"{name}: {text}")
    for text in found.warnings:
        typer.echo(f"warning: {text}", err=True)
    if found.refused:
        typer.echo(f"refused: {found.refused}", err=True)


def _known(value: int | None) -> str:
    return "?" if value is None else f"{value:,}"
