"""`radarid demo`: the whole way on simulated walkers, as the commands a user would type."""

from __future__ import annotations

import json
import shlex
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from radarid.cli.output import print_table

N_SUBJECTS = 12
OUTSIDERS = ["p10", "p11"]
"""They set the threshold against strangers, and nothing else."""

STRANGER = "p12"
"""Never enrolled, and seen by nothing but `identify` and the test."""



def demo(
    out: Annotated[Path, typer.Argument(help="Folder for everything the demo writes.")] = Path(
        "demo"
    ),
    seed: Annotated[int, typer.Option(help="Seed of the walkers and of the training.")] = 1,
    walks: Annotated[int, typer.Option(help="Walks of each person.")] = 10,
) -> None:
    """Simulate 12 walkers, ingest, train, evaluate and identify; one is a stranger to the last.

    Prints each command before it runs, so that every step can be repeated by hand. About five
    minutes on two cores; raw data under 600 MB.
    """
    started = time.monotonic()
    raw, store, run, pictures = out / "raw", out / "gait.h5", out / "run", out / "pictures"
    _run("simulate", raw, "--subjects", N_SUBJECTS, "--walks", walks, "--seconds", "4.5",
         "--seed", seed, "--camera")  # fmt: skip
    _run("ingest", *sorted(raw.glob("*.bin")), "--out", store)
    _run("train", "identitykd", "--preset", "cpu", "--store", store, "--out", run, "--seed", seed,
         "--set", f"split.outsider_subjects={json.dumps(OUTSIDERS)}",
         "--set", f"split.unknown_subjects={json.dumps([STRANGER])}")  # fmt: skip
    _run("evaluate", run, "--control")
    parts = json.loads((run / "split.json").read_text(encoding="utf-8"))["recordings"]
    probes = [raw / f"{name}.bin" for name in parts["test"] + parts["unknown"]]
    _run("identify", *probes, "--run", run, "--out", out / "identified.json")
    _run("plot", probes[0], "--out", pictures)
    _run("plot", store, "--out", pictures)
    _summary(out, time.monotonic() - started)


def _run(*words: object) -> None:
    """Print a command as it would be typed, and run it."""
    from radarid.cli import app

    arguments = [str(word) for word in words]
    line = shlex.join(["radarid", *arguments])
    shown = line if len(line) < 160 else f"{line[:100]} ... {line[-50:]}"
    typer.secho(f"\n$ {shown}", fg="cyan", err=True)
    code = app(arguments, standalone_mode=False)
    if code:
        raise typer.Exit(code)


def _summary(out: Path, seconds: float) -> None:
    found = json.loads((out / "identified.json").read_text(encoding="utf-8"))
    scores = json.loads((out / "run" / "evaluation.json").read_text(encoding="utf-8"))
    truth = {entry["recording"]: entry["recording"].partition("_")[0] for entry in found}
    known = [entry for entry in found if truth[entry["recording"]] != STRANGER]
    strangers = [entry for entry in found if truth[entry["recording"]] == STRANGER]
    right = sum(entry["answer"] == truth[entry["recording"]] for entry in known)
    wrong = sum(entry["answer"] not in (truth[entry["recording"]], "unknown") for entry in known)
    refused = sum(entry["answer"] == "unknown" for entry in strangers)
    rows = [
        ("accuracy on walks never trained on", f"{scores['walks']['accuracy']:.0%}"),
        ("... on single clips of them", f"{scores['clips']['accuracy']:.0%}"),
        ("chance", f"{scores['chance']['guessing']:.0%}"),
        ("control: labels shuffled, walks", f"{scores['control']['walk_accuracy']:.0%}"),
        ("control: labels shuffled, clips", f"{scores['control']['clip_accuracy']:.0%}"),
        ("identify: known walks named rightly", f"{right} of {len(known)}"),
        ("identify: known walks named wrongly", f"{wrong} of {len(known)}"),
        ("identify: walks of a stranger refused", f"{refused} of {len(strangers)}"),
    ]
    n_known = N_SUBJECTS - len(OUTSIDERS) - 1
    print_table(f"radarid demo: {n_known} people and a stranger", ("", "result"), rows)
    summary: dict[str, Any] = dict(rows) | {"seconds": round(seconds)}
    (out / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    for picture in sorted(out.rglob("*.png")):
        typer.echo(f"picture: {picture}")
    typer.echo(f"{seconds / 60:.1f} minutes; everything is in {out}")
