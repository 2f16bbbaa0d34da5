"""`radarid enroll`: let a student recognise a person from a few walks, without training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from radarid.cli.output import JsonFlag, print_json, print_table
from radarid.cli.student import ModelOption, RunOption, open_student

if TYPE_CHECKING:
    from capture.types import FrameSource
    from radarid.live.gallery import Gallery, Templates

KeyOption = Annotated[
    Path | None, typer.Option(help="Key that protects the templates: radarid gallery key FILE.")
]


def enroll(
    name: Annotated[str, typer.Argument(help="Who walks; a pseudonym does.")],
    files: Annotated[list[Path], typer.Argument(help="Recordings (.bin).", metavar="FILE...")],
    gallery: Annotated[Path, typer.Option(help="Made if it is not there yet.")],
    run: RunOption = None,
    model: ModelOption = None,
    session: Annotated[
        str | None, typer.Option(help="Day of these walks; default: as the recordings say.")
    ] = None,
    radar: Annotated[
        str | None, typer.Option(help="Radar configuration; default: the one beside each file.")
    ] = None,
    key: KeyOption = None,
    background: Annotated[
        Path | None,
        typer.Option(
            help="Gait store of people to judge strangers by, for a new gallery.",
            show_default="the run's outsiders, or who it was trained on",
        ),
    ] = None,
    false_accept_rate: Annotated[
        float | None,
        typer.Option(help="Share of strangers' walks that may be taken for somebody.",
                     show_default="0.01"),
    ] = None,
    norm: Annotated[
        Literal["none", "z", "s"] | None,
        typer.Option(help="Of the scores, see radarid/live/gallery.py.", show_default="none"),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Enroll a person: some walks, best on several days and in both directions. No training."""
    from capture.schema import from_mapping, to_mapping
    from radarid.live.enrolment import combine, enroll_recording, new_gallery
    from radarid.live.gallery import MatchParams, check_name
    from radarid.live.gallery_file import change_gallery, create_gallery, read_gallery
    from radarid.live.template_key import read_key
    from radarid.progress import track

    check_name(name)
    wanted = {"false_accept_rate": false_accept_rate, "norm": norm}
    changes = {name: value for name, value in wanted.items() if value is not None}
    student, secret = open_student(run, model), read_key(key) if key else None
    exists = gallery.exists()
    if exists:
        _refuse_background(gallery, background)
        known = read_gallery(gallery)
    else:
        params = from_mapping(MatchParams, changes)
        known = new_gallery(student, run, params, background, secret)
    known.check_fits(student, secret)  # before the recordings are read, which takes longer
    templates = combine([
        enroll_recording(source, student, name, session or day, secret)
        for source, day in (_open(path, radar, name) for path in track(files, "enroll"))
    ])  # fmt: skip

    def enrolled(known: Gallery) -> Gallery:
        known.check_fits(student, secret)
        params = from_mapping(MatchParams, to_mapping(known.params) | changes)
        return known.enroll(templates).with_params(params)

    if exists:
        known = change_gallery(gallery, enrolled)
    else:
        known = enrolled(known)
        create_gallery(gallery, known)
    if as_json:
        print_json(_as_table(templates, known))
    else:
        _print(name, templates, known)


def _refuse_background(gallery: Path, background: Path | None) -> None:
    from radarid.errors import GalleryError

    if background is not None:
        raise GalleryError(
            "the gallery has its background already", where=gallery,
            remedy="leave out --background, or make a new gallery with it",
        )


def _open(path: Path, radar: str | None, name: str) -> tuple[FrameSource, str]:
    """Frames of a recording, and the day it was made on."""
    from capture.file.recording import open_recording
    from capture.file.sidecar import Sidecar, read_sidecar
    from capture.formats.load import find_config, load_radar_config
    from radarid.config import find
    from radarid.progress import log

    config = load_radar_config(find("radar", radar) if radar else find_config(path))
    beside = Sidecar.path_for(path)
    sidecar = read_sidecar(beside) if beside.is_file() else Sidecar()
    if sidecar.subject not in (None, name):
        log.warning("%s says that this is a walk of %s, not %s", beside, sidecar.subject, name)
    return open_recording(path, config), sidecar.session


def _as_table(templates: Templates, known: Gallery) -> dict[str, Any]:
    return {
        "subject": templates.people[0],
        "templates": [
            {"session": session, "direction": direction, "n_clips": int(n_clips)}
            for session, direction, n_clips in zip(
                templates.session, templates.direction, templates.n_clips, strict=True
            )
        ],
        "enrolled": list(known.subjects),
    }


def _print(name: str, templates: Templates, known: Gallery) -> None:
    rows = zip(templates.session, templates.direction, templates.n_clips, strict=True)
    print_table(f"{name}: {len(templates)} templates", ("session", "direction", "clips"), rows)
    typer.echo(f"enrolled: {', '.join(known.subjects)}")
