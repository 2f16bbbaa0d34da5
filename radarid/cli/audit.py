"""`radarid audit`: whether anything of a face is in files that will be handed on."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from radarid.cli.output import JsonFlag, print_json

if TYPE_CHECKING:
    from radarid.live.audit import Report

_MOST_LINES = 20


def audit(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="Students (.safetensors, .onnx), galleries, stores, or run folders, of which "
            "the student is searched.",
        ),
    ],
    against: Annotated[
        Path | None,
        typer.Option(help="Gait store, or face-embeddings-*.safetensors, whose faces to look for."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Prove that no teacher, composer, face picture or face embedding is inside, or say where.

    Every tensor and data set must be one that a student, a gallery or a store without faces has.
    With --against the very numbers of known faces are searched for, too. Exit code 1 when
    something was found.
    """
    from radarid.live.audit import audit as search
    from radarid.live.audit_search import Faces

    faces = Faces.read(against) if against else None
    reports = [report for path in files for report in search(path)]
    if faces is not None:
        reports = [faces.look_into(report) for report in reports]
    if as_json:
        print_json([asdict(report) | {"is_clean": report.is_clean} for report in reports])
    else:
        for report in reports:
            _print(report)
    if not all(report.is_clean for report in reports):
        raise typer.Exit(1)


def _print(report: Report) -> None:
    verdict = "clean" if report.is_clean else f"{len(report.findings)} findings"
    summary = f": {report.summary}" if report.summary else ""
    typer.secho(
        f"{report.path}: {verdict} ({report.kind}, {report.n_examined} items examined{summary})",
        bold=True,
    )
    for finding in report.findings[:_MOST_LINES]:
        typer.echo(f"  {finding.place}: {finding.what}")
    if len(report.findings) > _MOST_LINES:
        typer.echo(f"  and {len(report.findings) - _MOST_LINES} more (--json has all)")
