"""What lost packets cost: `identify --live` at several rates of loss against `identify FILE`.

    python benches/live_loss.py --run RUN FILE.bin ... [--loss 0 0.01 0.05 0.2] [--seed 0]
        [--json out.json]
    python benches/live_loss.py

Without a run, six invented people walk five times each, a small student is trained on most of
these walks, and the others are played. The emulator, a process of its own, sends each recording
once at each rate over loopback, with faults of the seed; the listener is another. A clip is alike
when it has the answer of the file's clip of the same start, and abstained when there is none,
because too much of it was lost; a recording is judged by what was said last of its longest track.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

HOST, BOARD = "127.0.0.60", "127.0.0.61"
RADARID = [sys.executable, "-m", "radarid"]
SILENT_S = 2.6  # the last packets are through, and walkers are not forgotten yet
NOT_ENOUGH = "not enough signal"


def radarid(*words: object) -> str:
    """Run a command of a user; its standard output."""
    command = [*RADARID, *map(str, words)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def make(folder: Path) -> tuple[Path, list[Path]]:
    """Invented walkers, a student of theirs, and the recordings that it was not trained on."""
    raw, store, run = folder / "raw", folder / "gait.h5", folder / "run"
    radarid("simulate", raw, "--subjects", 6, "--walks", 5, "--seconds", 6, "--seed", 1)
    radarid("ingest", *sorted(raw.glob("*.bin")), "--out", store)
    radarid("train", "baseline", "--preset", "cpu", "--store", store, "--out", run,
            "--set", "optim.n_epochs=15")  # fmt: skip
    parts = json.loads((run / "split.json").read_text(encoding="utf-8"))["recordings"]
    return run, [raw / f"{name}.bin" for name in parts["test"]]


def listen(run: Path, walk: Path, loss: float, seed: int) -> list[dict[str, Any]]:
    """Lines of a listener, from before the first packet of a recording to after its last."""
    port = 20_000 + os.getpid() % 20_000
    ports = ["--dca", BOARD, "--config-port", str(port), "--data-port", str(port + 1)]
    lines = []
    with subprocess.Popen(
        [*RADARID, "identify", "--live", "--run", str(run), "--passive", "--interface", HOST,
         *ports, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as listener:  # fmt: skip
        assert listener.stdout is not None
        assert listener.stderr is not None
        while "listening" not in listener.stderr.readline():
            assert listener.poll() is None
        with subprocess.Popen(
            [*RADARID, "emulate", str(walk), "--start-now", "--loss", str(loss), "--seed",
             str(seed), "--host", HOST, *ports], stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as board:  # fmt: skip
            for text in listener.stdout:
                lines.append(json.loads(text))
                health = lines[-1]["health"]
                if health["state"] == "silent" and health["silence_s"] > SILENT_S:
                    listener.send_signal(signal.SIGINT)
            board.terminate()  # it would wait for a command
    return lines


def compare(filed: dict[str, Any], lines: list[dict[str, Any]]) -> dict[str, Any]:
    """A recording, and what was said of it live."""
    live = {clip["start_s"]: clip for line in lines for clip in line["clips"]}
    said = [one for line in lines for one in line["decisions"] if one["n_clips"]]
    whole = max(said, key=lambda one: (one["n_clips"], one["until_s"]), default=None)
    clips = []
    for clip in filed["clips"]:
        found, one = live.get(clip["start_s"]), clip["identification"]
        clips.append({
            "filed": one["subject"] or "unknown",
            "live": found["answer"] if found else NOT_ENOUGH,
            "change": found["score"] - one["score"] if found else None,
        })  # fmt: skip
    health = lines[-1]["health"]
    return {
        "clips": clips, "filed": filed["answer"], "live": whole["answer"] if whole else NOT_ENOUGH,
        "n_lost": health["n_lost_packets"], "n_received": health["n_packets"],
        "n_dropped": health["n_dropped"],
    }  # fmt: skip


def shares(pairs: list[dict[str, Any]]) -> dict[str, float]:
    """How many were decided alike, abstained and decided otherwise."""
    alike = np.mean([pair["live"] == pair["filed"] for pair in pairs])
    abstained = np.mean([pair["live"] == NOT_ENOUGH != pair["filed"] for pair in pairs])
    return {"alike": float(alike), "abstained": float(abstained),
            "otherwise": float(1 - alike - abstained), "n": len(pairs)}  # fmt: skip


def row(found: list[dict[str, Any]]) -> dict[str, Any]:
    """All recordings at one rate of loss."""
    clips = [clip for each in found for clip in each["clips"]]
    changes = [clip["change"] for clip in clips if clip["change"] is not None]
    n_lost, n_received = (sum(each[key] for each in found) for key in ("n_lost", "n_received"))
    return {
        "lost": n_lost / max(1, n_lost + n_received),
        "n_dropped": sum(each["n_dropped"] for each in found),
        "clips": shares(clips), "recordings": shares(found),
        "mean_change": float(np.mean(changes)) if changes else None,
        "mean_absolute_change": float(np.mean(np.abs(changes))) if changes else None,
    }  # fmt: skip


def show(rows: dict[str, dict[str, Any]]) -> None:
    """Print a table."""
    print("| packets lost | really | clips alike | abstained | otherwise | score, mean change "
          "(of its size) | recordings alike | abstained | otherwise |\n" + 9 * "|---" + "|")
    for loss, found in rows.items():
        change = "-" if found["mean_change"] is None else (
            f"{found['mean_change']:+.3f} ({found['mean_absolute_change']:.3f})")  # fmt: skip
        clips, recordings = (
            " | ".join(f"{found[level][key]:.0%}" for key in ("alike", "abstained", "otherwise"))
            for level in ("clips", "recordings")
        )
        print(f"| {float(loss):.0%} | {found['lost']:.2%} | {clips} | {change} | {recordings} |")
    last = list(rows.values())[-1]
    print(f"\n{last['clips']['n']} clips of {last['recordings']['n']} recordings; "
          f"{sum(each['n_dropped'] for each in rows.values())} frames dropped by the listener")


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("files", type=Path, nargs="*", metavar="FILE.bin")
    parser.add_argument("--run", type=Path, help="folder of a finished training")
    parser.add_argument("--loss", type=float, nargs="+", default=[0.0, 0.01, 0.05, 0.2])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the numbers here")
    args = parser.parse_args()
    if (args.run is None) == bool(args.files):
        parser.error("give a run and recordings, or neither")
    with tempfile.TemporaryDirectory() as folder:
        run, files = (args.run, args.files) if args.run else make(Path(folder))
        filed = json.loads(radarid("identify", *files, "--run", run, "--json"))
        found = {
            str(loss): [compare(one, listen(run, path, loss, args.seed + k))
                        for k, (path, one) in enumerate(zip(files, filed, strict=True))]
            for loss in args.loss
        }  # fmt: skip
    rows = {loss: row(each) for loss, each in found.items()}
    show(rows)
    if args.json:
        result = {"files": [path.name for path in files], "rows": rows, "recordings": found}
        args.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
