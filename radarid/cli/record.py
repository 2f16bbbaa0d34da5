"""`radarid record`: the live stream of a DCA1000 to files that `radarid ingest` reads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from radarid.cli.link import BoardOption, ConfigPortOption, DataPortOption, HostOption, link_to
from radarid.cli.output import JsonFlag, print_json, print_table

if TYPE_CHECKING:
    from radarid.live.recording import Report


def record(
    out: Annotated[Path, typer.Argument(help="Folder and name; _Raw_0.bin, ... is added.")],
    radar: Annotated[str, typer.Option(help="Radar configuration: name or file.")],
    seconds: Annotated[
        float | None, typer.Option(min=0.001, help="Length, by the radar's clock.")
    ] = None,
    frames: Annotated[int | None, typer.Option(min=1, help="Length, in frames.")] = None,
    host: HostOption = None,
    dca: BoardOption = None,
    serial: Annotated[
        str | None, typer.Option(metavar="PORT", help="Serial port of the radar: also start it.")
    ] = None,
    camera: Annotated[
        str | None, typer.Option(help="Number, file or URL of a camera to be recorded, too.")
    ] = None,
    subject: Annotated[str | None, typer.Option(help="Pseudonym of who walks.")] = None,
    session: Annotated[str | None, typer.Option(help="Day.", show_default="s1")] = None,
    take: Annotated[str | None, typer.Option(help="Name of the walk.")] = None,
    packet_delay: Annotated[
        float, typer.Option(metavar="US", min=5, max=500, help="Between the board's packets.")
    ] = 25.0,
    receive_only: Annotated[
        bool, typer.Option("--receive-only", help="Send no command at all.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a recording.")] = False,
    config_port: ConfigPortOption = 4096,
    data_port: DataPortOption = 4098,
    as_json: JsonFlag = False,
) -> None:
    """Record until the length is reached, Ctrl-C, or 5 s without packets.

    What never came is zeros in the files and listed in the sidecar; losses are told, and are no
    failure (exit code 0). A crash loses at most the last second.
    """
    from capture.file.sidecar import Sidecar
    from capture.formats.load import load_radar_config
    from radarid import __version__
    from radarid.config import find
    from radarid.live.recording import Plan, run

    if seconds is not None and frames is not None:
        raise typer.BadParameter("give --seconds or --frames, and not both")
    if receive_only and serial:
        raise typer.BadParameter("--receive-only sends no command, so --serial is of no use")
    path = find("radar", radar)
    config = load_radar_config(path)
    if seconds is not None:
        frames = max(1, round(seconds / config.frame_period_s))
    report = run(Plan(
        out=out,
        config=config,
        link=link_to(host, dca, packet_delay_us=packet_delay, config_port=config_port,
                     data_port=data_port),
        n_frames=frames or config.n_frames or None,
        cfg=path if path.suffix == ".cfg" else None,
        serial_port=serial,
        camera=camera,
        receive_only=receive_only,
        force=force,
        sidecar=Sidecar(subject=subject, session=session or Sidecar().session, take=take,
                        made_by=f"radarid {__version__}"),
    ))  # fmt: skip
    _show(report, as_json)


def _show(report: Report, as_json: bool) -> None:
    table = report.as_dict()
    if as_json:
        print_json(table)
        return
    rows: list[tuple[str, Any]] = []
    for name, value in table.items():
        if isinstance(value, dict):
            rows += [(f"{name}: {key}", part) for key, part in value.items()]
        else:
            rows.append((name, ", ".join(value) if isinstance(value, list) else value))
    shown = [(name.replace("_", " "), value) for name, value in rows]
    print_table(f"{report.n_frames} frames, {report.n_complete} complete", ("", ""), shown)
