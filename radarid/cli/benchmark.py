"""`radarid benchmark`: from people who walk to tables of methods."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from radarid.cli.output import JsonFlag, SetOption, print_json

benchmark = typer.Typer(
    no_args_is_help=True, help="Repeat published comparisons on walkers that anyone can simulate."
)


@benchmark.command()
def walkers(
    mocap: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="Captured walks: cmu/ and qtm25/ inside."),
    ] = None,
    faces: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="One folder of pictures a person."),
    ] = None,
    invented: Annotated[
        bool, typer.Option("--invented", help="Invented people with drawn faces instead of both.")
    ] = False,
    scale: Annotated[
        str, typer.Option(help="cpu: about two hours on two cores; full: for a GPU; or TOML file.")
    ] = "cpu",
    only: Annotated[
        list[str] | None, typer.Option(help="Comparison to make now, if not all of the scale's.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder.", show_default="runs/walkers-SCALE")
    ] = None,
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", min=1, help="Processes that simulate and ingest.")
    ] = os.cpu_count() or 1,
    as_json: JsonFlag = False,
    changes: SetOption = None,
) -> None:
    """Simulate real people's walks, train all methods on them, and write the tables.

    Writes benchmark.json and benchmark.md, after every comparison anew. Stopped, the same command
    goes on.
    """
    from radarid.data.pool import bound_memory, prepare_processes

    if invented == bool(mocap or faces) or bool(mocap) != bool(faces):
        raise typer.BadParameter("give --mocap and --faces, or --invented")
    bound_memory()
    if jobs > 1:
        prepare_processes(["radarid.data.ingest"])
    from radarid import config
    from radarid.learn.benchmark import BenchmarkParams, run_benchmark

    params = config.load(BenchmarkParams, "benchmark", scale, changes or ())
    place = out or Path("runs") / f"walkers-{Path(scale).stem}"
    try:
        result = run_benchmark(
            params, place, mocap=mocap, faces=faces, only=only or (), n_workers=jobs
        )
    except KeyboardInterrupt:
        typer.echo("stopped; the same command goes on", err=True)
        raise typer.Exit(130) from None
    if as_json:
        print_json(result)
        return
    typer.echo((place / "benchmark.md").read_text(encoding="utf-8"))
    typer.echo(f"{place}: benchmark.json, benchmark.md", err=True)
