"""`radarid identify`: who walked, or "unknown", from radar recordings alone."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from radarid.cli.output import JsonFlag, print_error, print_json

if TYPE_CHECKING:
    from radarid.live.identify import WalkResult


def identify(
    files: Annotated[list[Path], typer.Argument(help="Recordings (.bin).", metavar="FILE...")],
    run: Annotated[Path, typer.Option(help="Folder of a finished training.")],
    radar: Annotated[
        str | None, typer.Option(help="Radar configuration; default: the one beside each file.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the results here, too (JSON).")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Say who walked, by gait alone: one line a clip, one a recording.

    Needs no camera and imports no face code. Strangers are "unknown"; a recording without a
    walker, or with too much of it lost, is "not enough signal". Exit code 1 when a file failed.
    """
    from capture.errors import ExplainedError
    from capture.file.recording import open_recording
    from capture.formats.load import find_config, load_radar_config
    from radarid.config import find
    from radarid.learn.student_file import load_student
    from radarid.live.identify import identify_recording
    from radarid.progress import track

    student = load_student(run)
    given = load_radar_config(find("radar", radar)) if radar else None
    results, n_failed = [], 0
    for path in track(files, "identify"):
        try:
            config = given or load_radar_config(find_config(path))
            result = identify_recording(open_recording(path, config), student)
        except ExplainedError as failure:
            n_failed += 1
            print_error(failure)
            continue
        results.append(_as_table(path, result, student.threshold))
        if not as_json:
            _print_result(result)
    if as_json:
        print_json(results)
    if out:
        out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    if n_failed:
        raise typer.Exit(1)


def _print_result(result: WalkResult) -> None:
    for clip in result.clips:
        found = clip.identification
        typer.echo(
            f"{result.recording}  {clip.start_s:6.2f} s  {found.subject or 'unknown':12} "
            f"score {found.score:+.3f}  (second {found.second:+.3f})  quality {clip.quality:.2f}"
        )
    score = f"  score {result.identification.score:+.3f}" if result.identification else ""
    typer.secho(
        f"{result.recording}: {result.answer}{score}  "
        f"({len(result.clips)} clips, {result.n_rejected} too poor)",
        bold=True,
    )


def _as_table(path: Path, result: WalkResult, threshold: float) -> dict[str, Any]:
    return {
        "file": str(path),
        "answer": result.answer,
        "threshold": threshold,
        **asdict(result),
    }
