"""`radarid splits`: who trains, validates and tests under each protocol."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from radarid.cli.output import JsonFlag, SetOption, print_json, print_table

if TYPE_CHECKING:
    from radarid.data.splits import SplitParams
    from radarid.data.store import GaitStore

_PROTOCOLS = ("capture", "session", "subject", "window")


def splits(
    store: Annotated[Path, typer.Argument(help="Gait store.")] = Path("data/gait.h5"),
    protocol: Annotated[
        Literal["capture", "session", "subject", "window"] | None,
        typer.Option(help="Show everybody under this one.", show_default="compare all"),
    ] = None,
    seed: Annotated[int, typer.Option(help="split_seed of the training.")] = 0,
    changes: SetOption = None,
    save: Annotated[
        Path | None, typer.Option(help="Write the split of --protocol as JSON.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Show how a store is split, and save it.

    Training and test share no walk (capture), no day (session), no person (subject), or only no
    clip (window, which leaks). --set takes the keys below `split` of a training, such as
    test_fraction=0.3.
    """
    from radarid.data.store import GaitStore
    from radarid.errors import SplitError

    if save is not None and protocol is None:
        raise SplitError(
            "one split is saved, not all four", where=f"--save {save}",
            remedy=f"name one: --protocol {_PROTOCOLS[0]}",
        )
    with GaitStore.open(store) as opened:
        if protocol is None:
            result = {name: _try(opened, _params(name, changes), seed) for name in _PROTOCOLS}
            print_json(result) if as_json else _print_all(store, result)
        else:
            _show_one(opened, _params(protocol, changes), seed, save, as_json)


def _params(protocol: str, changes: list[str] | None) -> SplitParams:
    from radarid import config
    from radarid.data.splits import SplitParams

    return config.load(SplitParams, "train", None, [*(changes or ()), f"protocol={protocol}"])


def _try(store: GaitStore, params: SplitParams, seed: int) -> dict[str, Any]:
    """Report of a split, or why there is none."""
    from radarid.data.splits import make_split
    from radarid.errors import SplitError

    try:
        return make_split(store.table(), params, seed).report()
    except SplitError as refusal:
        return {"refused": str(refusal)}


def _print_all(store: Path, reports: dict[str, dict[str, Any]]) -> None:
    from radarid.data.splits import PARTS

    made = {name: each["parts"] for name, each in reports.items() if "parts" in each}
    used = [part for part in PARTS if any(parts[part]["n_clips"] for parts in made.values())]
    rows = [(name, *(_share(parts[part]) for part in used)) for name, parts in made.items()]
    print_table(f"{store}: clips / walks / people", ("protocol", *used), rows)
    for name, report in reports.items():
        for note in _notes(report):
            typer.echo(f"{name}: {note}")


def _notes(report: dict[str, Any]) -> list[str]:
    """What a reader of a score must know about a split."""
    if "refused" in report:
        return [report["refused"]]
    notes = ["leaks: walks are in training and in test"] if report["leaking"] else []
    for key, where in (("untested_subjects", "test"), ("unvalidated_subjects", "validation")):
        if report[key]:
            notes.append(f"in no {where}: {', '.join(report[key])}")
    return notes


def _share(part: dict[str, Any]) -> str:
    if not part["n_clips"]:
        return "-"
    return f"{part['n_clips']} / {part['n_groups']} / {len(part['subjects'])}"


def _show_one(
    store: GaitStore, params: SplitParams, seed: int, save: Path | None, as_json: bool
) -> None:
    from radarid.data.split_file import counts_by_subject, save_split, split_facts
    from radarid.data.splits import PARTS, make_split

    table = store.table()
    split = make_split(table, params, seed)
    facts, people = split_facts(store, split), counts_by_subject(table, split)
    if save is not None:
        save_split(save, store, split)
    if as_json:
        print_json(facts | {"per_subject": people})
        return
    used = [part for part in PARTS if facts["parts"][part]["n_clips"]]
    rows = [(name, *(_counts(parts.get(part)) for part in used)) for name, parts in people.items()]
    total = [facts["parts"][part] for part in used]
    title = f"{store.path}: {params.protocol}, seed {seed}, fingerprint {facts['data']}"
    columns = ("walks (clips)", *used)
    print_table(title, columns, [*rows, ("all", *map(_counts, total))])
    for note in _notes(facts):
        typer.echo(note)
    if save is not None:
        typer.echo(f"saved: {save}", err=True)


def _counts(part: dict[str, Any] | None) -> str:
    return f"{part['n_groups']} ({part['n_clips']})" if part else "-"
