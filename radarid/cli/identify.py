"""`radarid identify`: who walked, or "unknown", from radar recordings alone."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from radarid.cli.enroll import GalleryOption, KeyOption
from radarid.cli.identify_live import (
    InterfaceOption,
    KeepOption,
    LiveOptions,
    PassiveOption,
    SerialOption,
    WindowOption,
    identify_live,
)
from radarid.cli.link import BoardOption, ConfigPortOption, DataPortOption
from radarid.cli.output import JsonFlag, print_error, print_json
from radarid.cli.student import Bfloat16Flag, ModelOption, RunOption, WalkersOption, open_student
from radarid.cli.web import AddressOption, TokenOption, WebOption, served

if TYPE_CHECKING:
    from radarid.learn.student_facts import GaitStudent
    from radarid.live.identify import Decider, WalkResult
    from radarid.live.matcher import Matcher


def identify(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Recordings (.bin).", metavar="[FILE...]")
    ] = None,
    run: RunOption = None,
    model: ModelOption = None,
    bfloat16: Bfloat16Flag = False,
    radar: Annotated[
        str | None, typer.Option(help="Radar configuration; default: the one beside each file.")
    ] = None,
    gallery: GalleryOption = None,
    head: Annotated[
        bool,
        typer.Option("--head", help="Look for the people of the training, whatever the gallery."),
    ] = False,
    key: KeyOption = None,
    out: Annotated[Path | None, typer.Option(help="Write the results here, too (JSON).")] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Of the radar that sends now, until Ctrl-C.")
    ] = False,
    serial: SerialOption = None,
    interface: InterfaceOption = None,
    dca: BoardOption = None,
    passive: PassiveOption = False,
    record: KeepOption = None,
    window: WindowOption = 10.0,
    walkers: WalkersOption = None,
    web: WebOption = None,
    web_address: AddressOption = "127.0.0.1",
    web_token: TokenOption = None,
    config_port: ConfigPortOption = 4096,
    data_port: DataPortOption = 4098,
    as_json: JsonFlag = False,
) -> None:
    """Say who walked, by gait alone: one line a clip, one a walker; or --live, who walks.

    Needs no camera and imports no face code. Strangers are "unknown"; a recording without a
    walker, or with too much of it lost, is "not enough signal". Scores are logits, or with a
    gallery evidence in nats, which is 0 for a stranger as likely as not. Exit code 1 when a file
    failed.

    Live, board and radar are configured and started, and again whenever they fall silent
    (--passive only listens). A panel shows what is seen; with --json, or where there is no
    terminal, every decision is a line of JSON. --web serves a page, see `radarid dashboard`.
    """
    from radarid.live.identify import Decider

    if live == bool(files):
        raise typer.BadParameter("give recordings, or --live, and not both")
    student = open_student(run, model, walkers, bfloat16=bfloat16)
    matcher = open_matcher(student, gallery, key) if gallery and not head else None
    decider = Decider(student, matcher)
    if live:
        options = LiveOptions(
            radar=radar, serial=serial, interface=interface, dca=dca, passive=passive,
            record=record, window_s=window, config_port=config_port, data_port=data_port,
        )  # fmt: skip
        with served(web, web_address, web_token) as listeners:
            identify_live(decider, options, as_json=as_json, listeners=listeners)
        return
    results, n_failed = _identify_files(files or [], decider, radar, is_quiet=as_json)
    if as_json:
        print_json(results)
    if out:
        out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    if n_failed:
        raise typer.Exit(1)


def _identify_files(
    files: list[Path], decider: Decider, radar: str | None, *, is_quiet: bool
) -> tuple[list[dict[str, Any]], int]:
    """What is said of each recording, printed at once unless quiet; and how many failed."""
    from capture.errors import ExplainedError
    from capture.file.recording import open_recording
    from capture.formats.load import find_config, load_radar_config
    from radarid.config import find
    from radarid.live.identify import identify_recording
    from radarid.progress import track

    given = load_radar_config(find("radar", radar)) if radar else None
    results, n_failed = [], 0
    for path in track(files, "identify"):
        try:
            config = given or load_radar_config(find_config(path))
            found = identify_recording(open_recording(path, config), decider)
        except ExplainedError as failure:
            n_failed += 1
            print_error(failure)
            continue
        results += [_as_table(path, result, decider) for result in found]
        if not is_quiet:
            for result in found:
                _print_result(result, len(found) > 1)
    return results, n_failed


def open_matcher(student: GaitStudent, path: Path, key: Path | None) -> Matcher:
    """What compares clips with the people of a gallery of this student."""
    from radarid.live.gallery_file import read_gallery
    from radarid.live.matcher import Matcher
    from radarid.live.template_key import read_key

    gallery = read_gallery(path)
    gallery.require(student)
    return Matcher(gallery, read_key(key) if key else None)


def _print_result(result: WalkResult, has_company: bool) -> None:
    name = f"{result.recording}, walker {result.track}" if has_company else result.recording
    for clip in result.clips:
        found = clip.identification
        typer.echo(
            f"{name}  {clip.start_s:6.2f} s  {found.subject or 'unknown':12} "
            f"score {found.score:+.3f}  (second {found.second:+.3f})  quality {clip.quality:.2f}"
        )
    whole = result.identification
    why = (
        f"  score {whole.score:+.3f}, {whole.margin:.3f} over the second" if whole
        else f": {result.reason}"
    )  # fmt: skip
    typer.secho(
        f"{name}: {result.answer}{why}  "
        f"({len(result.clips)} clips, {result.n_rejected} too poor)",
        bold=True,
    )


def _as_table(path: Path, result: WalkResult, decider: Decider) -> dict[str, Any]:
    return {
        "file": str(path),
        "answer": result.answer,
        "threshold": decider.threshold,
        "precision": decider.student.precision,
        **asdict(result),
    }
