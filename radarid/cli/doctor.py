"""`radarid doctor`: what is wrong with the set-up, line by line, and what to do about it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from radarid.cli.link import BoardOption, ConfigPortOption, DataPortOption, HostOption, link_to
from radarid.cli.output import JsonFlag, print_json

if TYPE_CHECKING:
    from radarid.live.doctor import Finding

_MARKS = {"ok": "green", "warning": "yellow", "fail": "red", "skipped": "bright_black"}


def doctor(
    host: HostOption = None,
    dca: BoardOption = None,
    serial: Annotated[
        str | None, typer.Option(metavar="PORT", help="Serial port of the radar's command line.")
    ] = None,
    camera: Annotated[str | None, typer.Option(help="Number, file or URL.")] = None,
    radar: Annotated[
        str | None,
        typer.Option(help="Radar configuration; the board is told to record for 2 s by it."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for recordings.")] = Path(),
    config_port: ConfigPortOption = 4096,
    data_port: DataPortOption = 4098,
    as_json: JsonFlag = False,
) -> None:
    """Look at everything that live recording, ingest and training need.

    Hardware that is named by an option must work; other hardware that is missing is skipped. The
    board is asked by UDP command, never by ping. Exit code 1 when something fails.
    """
    from capture.config import RadarConfig
    from capture.formats.load import load_radar_config
    from radarid.config import find
    from radarid.live.doctor import Asked, Case, examine
    from radarid.live.environment import this_machine

    named: dict[Asked, bool] = {
        "network": bool(host or dca or radar), "serial": bool(serial), "camera": bool(camera),
        "radar": bool(radar),
    }  # fmt: skip
    case = Case(
        link=link_to(host, dca, config_port=config_port, data_port=data_port),
        radar=load_radar_config(find("radar", radar)) if radar else RadarConfig(),
        folder=out,
        asked=frozenset(what for what, is_named in named.items() if is_named),
        serial_port=serial,
        camera=camera,
    )
    findings = examine(case, this_machine())
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            _print(finding)
    raise typer.Exit(any(finding.outcome == "fail" for finding in findings))


def _print(finding: Finding) -> None:
    mark = typer.style(f"{finding.outcome:8}", fg=_MARKS[finding.outcome])
    typer.echo(f"{mark}{finding.check:18} {finding.text}")
    if finding.remedy and finding.outcome != "ok":
        typer.echo(f"{'':27}-> {finding.remedy}")
