"""`radarid radar`: what a radar configuration means, and the same in another format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from radarid.cli.output import JsonFlag, print_json, print_table

if TYPE_CHECKING:
    from capture.formats.report import Report

radar = typer.Typer(help="Look at radar configurations, and convert them.", no_args_is_help=True)

Config = Annotated[
    str,
    typer.Argument(
        metavar="CONFIG",
        help="A .cfg, .mmwave.json, .setup.json, .lua or .toml file (with #k for subframe k), "
        "or the name of a shipped one.",
    ),
]


@radar.command()
def show(
    config: Config,
    dca: Annotated[
        Path | None, typer.Option(help="DCA1000 configuration (cf.json) to hold against it.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Print a configuration, all that follows from it, and every contradiction in it."""
    from capture.formats.dca1000_json import read_dca1000
    from capture.formats.load import pick_subframe, read_radar_file, split_subframe
    from capture.formats.report import report
    from radarid.config import find

    path = find("radar", config)
    board = None if dca is None else read_dca1000(dca)
    if split_subframe(path)[1] is None:
        file = read_radar_file(path)
        picked = list(range(len(file.configs)))
    else:
        file, index = pick_subframe(path)
        picked = [index]
    reports = [report(file, k, board) for k in picked]
    if as_json:
        tables = [_as_table(each) for each in reports]
        print_json(tables[0] if len(tables) == 1 else {"subframes": tables})
        return
    for each in reports:
        _print(config, each)


def _as_table(found: Report) -> dict[str, Any]:
    from dataclasses import asdict

    from capture.schema import to_mapping

    return {
        "config": to_mapping(found.config),
        "derived": found.derived,
        "checks": [asdict(check) for check in found.checks],
        "contradictions": [asdict(each) for each in found.contradictions],
        "remarks": list(found.remarks),
    }


def _print(name: str, found: Report) -> None:
    from capture.formats.report_rows import chirp_rows, config_rows, derived_rows

    place = found.config.subframe
    title = name if place is None or "#" in name else f"{name}#{place.index}"
    print_table(title, ("configuration", ""), config_rows(found.config))
    chirps = chirp_rows(found.config, found.derived["tx_patterns"])
    if len(chirps) > 1:
        print_table("", ("chirp", "antennas", "against the profile"), chirps)
    print_table("", ("derived", ""), derived_rows(found))
    checks = [(c.rule.replace("_", " "), c.outcome, c.text) for c in found.checks]
    print_table("", ("rule", "", ""), checks)
    for remark in found.remarks:
        typer.echo(f"note: {remark}")
    for contradiction in found.contradictions:
        typer.echo(f"contradiction: {contradiction.text}")
    if not found.contradictions:
        typer.echo("no contradictions found")


@radar.command()
def convert(
    config: Config,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A .cfg or .toml file to write.")],
) -> None:
    """Write a configuration as .cfg or .toml: exactly, or not at all.

    Claims of the file are kept in a .toml; a .cfg has no place for them.
    """
    from capture.formats.convert import write_radar_config
    from radarid.config import find

    for remark in write_radar_config(find("radar", config), out):
        typer.echo(f"note: {remark}", err=True)
    typer.echo(str(out))
