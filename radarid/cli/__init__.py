"""The command line: one small file a command, heavy imports only inside the commands."""

from __future__ import annotations

import logging
import sys
from typing import Annotated

import typer

from radarid import __version__
from radarid.cli import (
    audit,
    bench,
    benchmark,
    compare,
    dashboard,
    demo,
    diagnose,
    doctor,
    emulate,
    enroll,
    evaluate,
    export,
    gallery,
    identify,
    ingest,
    inspect,
    plot,
    radar,
    record,
    report,
    simulate,
    splits,
    train,
)

app = typer.Typer(
    name="radarid",
    help="From raw mmWave radar captures to a name, by gait alone.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _command in (
    simulate,
    inspect,
    ingest,
    splits,
    train,
    evaluate,
    compare,
    report,
    diagnose,
    enroll,
    identify,
    dashboard,
    export,
    audit,
    plot,
    demo,
    emulate,
    doctor,
    record,
    bench,
):
    app.command()(getattr(_command, _command.__name__.rpartition(".")[2]))
app.add_typer(radar.radar, name="radar")
app.add_typer(gallery.gallery, name="gallery")
app.add_typer(benchmark.benchmark, name="benchmark")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"radarid {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Warnings only.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    from radarid.progress import set_up_logging

    set_up_logging(logging.DEBUG if verbose else logging.WARNING if quiet else logging.INFO)


def main() -> None:
    """Run the command line; an explained error becomes one message and exit code 2."""
    from capture.errors import ExplainedError
    from radarid.garbage import collect_less

    collect_less()
    try:
        app()
    except ExplainedError as failure:
        from radarid.cli.output import print_error

        print_error(failure)
        sys.exit(2)
