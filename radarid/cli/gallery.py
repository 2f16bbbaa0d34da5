"""`radarid gallery`: look at a gallery, take somebody out of it, make a key."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from radarid.cli.enroll import KeyOption
from radarid.cli.output import JsonFlag, print_json, print_table

if TYPE_CHECKING:
    from radarid.live.gallery_report import Report

gallery = typer.Typer(
    help="Look at a gallery of enrolled people, and change it.", no_args_is_help=True
)

Path_ = Annotated[Path, typer.Argument(metavar="GALLERY", help="As radarid enroll made it.")]


@gallery.command("list")
def list_(path: Path_, as_json: JsonFlag = False) -> None:
    """List who is enrolled."""
    from radarid.live.gallery_file import read_gallery
    from radarid.live.gallery_report import people

    found = read_gallery(path)
    rows = people(found)
    if as_json:
        print_json({"student": found.model, "key": found.key_id or None, "people": rows})
        return
    print_table(
        f"{path}: {len(rows)} people, student {found.model}"
        + (f", key {found.key_id}" if found.key_id else ""),
        ("subject", "templates", "clips", "sessions", "directions"),
        [(row["subject"], row["n_templates"], row["n_clips"], ", ".join(row["sessions"]),
          ", ".join(row["directions"])) for row in rows],
    )  # fmt: skip


@gallery.command()
def remove(
    path: Path_, name: Annotated[str, typer.Argument(help="Who is to be forgotten.")]
) -> None:
    """Forget a person. The file is written anew, without anything of theirs.

    Copies and backups of the file, and what a disk keeps of deleted files, are not reached.
    """
    from radarid.live.gallery_file import change_gallery

    left = change_gallery(path, lambda known: known.remove(name))
    typer.echo(f"left: {', '.join(left.subjects) or 'nobody'}")


@gallery.command()
def export(
    path: Path_,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A .json file to write.")],
    name: Annotated[str | None, typer.Option(help="Only this person.")] = None,
) -> None:
    """Write templates as JSON, for other programs, or for the person whose they are."""
    from radarid.live.gallery_file import read_gallery
    from radarid.live.gallery_report import export as write

    write(read_gallery(path), out, name)
    typer.echo(str(out))


@gallery.command()
def verify(
    path: Path_,
    run: Annotated[Path | None, typer.Option(help="Training whose student must fit.")] = None,
    key: KeyOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Check file, checksum, owner, student and key; say what its decisions are worth."""
    from radarid.learn.student_file import load_student
    from radarid.live.gallery_file import read_gallery
    from radarid.live.gallery_report import verify as check
    from radarid.live.template_key import read_key

    found = read_gallery(path)
    secret = read_key(key) if key else None
    if run is not None:
        found.check_fits(load_student(run), secret)
    elif secret is not None:
        found.check_key(secret)
    report = check(found, path)
    if as_json:
        print_json(report.as_dict())
    else:
        print_table(f"{path}: undamaged", ("", ""), _rows(report))
    for remark in report.remarks:
        typer.echo(f"note: {remark}", err=True)


def _rows(report: Report) -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = [("enrolled", ", ".join(report.subjects) or "nobody")]
    threshold = report.threshold
    if threshold is not None:
        found, (low, high) = threshold.calibration, threshold.interval
        rows += [
            ("strangers judged by", f"{found.n_strangers} walks of {threshold.n_people} people "
             f"it has {threshold.source}"),
            ("false accepts", f"{found.false_accept_rate:.1%} (95 %: {low:.1%} to {high:.1%}), "
             f"{threshold.wanted:.1%} asked for"),
            ("false rejects among them", f"{found.false_reject_rate:.1%} of {found.n_known} walks"),
            ("threshold", f"{threshold.value:.2f} nats"),
        ]  # fmt: skip
    return rows


@gallery.command()
def key(path: Annotated[Path, typer.Argument(metavar="FILE", help="A new file.")]) -> None:
    """Make a key that protects templates: give it to enroll and identify.

    Should a gallery leak, delete it and its key, and enroll anew with another one: templates under
    different keys have nothing in common.
    """
    from radarid.live.template_key import new_key

    typer.echo(f"{path}: key {new_key(path).id}")
