"""Live identification for a long time: memory, clocks, counters, and every process killed.

    python benches/live_soak.py --run RUN [--minutes 60] [--kill-every 600] [--json out.json]

The emulator plays a simulated walk of the run's radar over loopback in a loop; `identify --live`
listens, both processes of their own. Every `--kill-every` seconds the emulator is killed and
started again, as a board that lost its power. Told at the end: resident memory after the first
minutes and at the end, drift between this machine's clock and the radar's time without the
restarts, frames dropped, recoveries, clips decided, and the longest time without any.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HOST, BOARD = "127.0.0.50", "127.0.0.51"
RADARID = [sys.executable, "-m", "radarid"]
SETTLED_S = 120.0


class Told:
    """What the listener's lines say, kept small however many they are."""

    def __init__(self) -> None:
        self.begin_s = time.monotonic()
        self.memory: list[tuple[float, int]] = []
        self.n_clips, self.longest_s, self._clip_s = 0, 0.0, self.begin_s
        self.last: dict[str, Any] = {}
        self.offset_s: list[tuple[int, float]] = []  # wall minus radar time, by restarts before

    def take(self, line: dict[str, Any]) -> None:
        """Note a line."""
        now_s, health = time.monotonic(), line["health"]
        self.last = line
        self.memory.append((now_s - self.begin_s, health["memory_bytes"]))
        if health["state"] == "receiving":
            stretch = health["n_restarts"] + health["n_recoveries"]
            self.offset_s.append((stretch, line["wall_s"] - line["time_s"]))
        if line["clips"]:
            self.n_clips += len(line["clips"])
            self.longest_s = max(self.longest_s, now_s - self._clip_s)
            self._clip_s = now_s

    def summary(self) -> dict[str, Any]:
        """What became of it."""
        settled = [size for at_s, size in self.memory if at_s > SETTLED_S] or [self.memory[-1][1]]
        drifts = []
        for stretch in {number for number, _ in self.offset_s}:
            own = [offset for number, offset in self.offset_s if number == stretch]
            quarter = max(1, len(own) // 4)
            # The earliest news of each end: lines that came late say nothing of the clocks.
            drifts.append(min(own[-quarter:]) - min(own[:quarter]))
        health = self.last["health"]
        return {
            "minutes": (time.monotonic() - self.begin_s) / 60,
            "settled_mib": settled[0] / 2**20, "end_mib": settled[-1] / 2**20,
            "most_mib": max(size for _, size in self.memory) / 2**20,
            "drift_ms": 1e3 * max(drifts, key=abs), "n_clips": self.n_clips,
            "longest_without_clip_s": self.longest_s,
            **{key: health[key] for key in ("n_frames", "n_incomplete", "n_missing", "n_dropped",
                                            "n_lost_packets", "n_restarts", "n_recoveries")},
            "latency_ms": self.last["latency_ms"],
        }  # fmt: skip


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--run", type=Path, required=True, help="folder of a finished training")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--kill-every", type=float, default=600.0, help="seconds; 0: never")
    parser.add_argument("--json", type=Path, help="write the numbers here")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        summary = soak(args, simulate(Path(folder), args.run))
    for name, value in summary.items():
        print(f"{name}: {value:.3g}" if isinstance(value, float) else f"{name}: {value}")
    if args.json:
        args.json.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")


def simulate(folder: Path, run: Path) -> Path:
    """A walk of the run's radar, by the command of a user."""
    from capture.schema import write_toml
    from radarid.learn.student_file import load_student

    write_toml(folder / "radar.toml", load_student(run).radar)
    subprocess.run([*RADARID, "simulate", str(folder / "raw"), "--subjects", "1", "--walks", "1",
                    "--sessions", "1", "--seconds", "4.5", "--radar", str(folder / "radar.toml")],
                   check=True, stdout=subprocess.DEVNULL)
    (path,) = (folder / "raw").glob("*.bin")
    return path


def soak(args: argparse.Namespace, walk: Path) -> dict[str, Any]:
    """Both processes, for as long as was asked."""
    port = 20_000 + os.getpid() % 20_000
    ports = ["--dca", BOARD, "--config-port", str(port), "--data-port", str(port + 1)]

    def emulate() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*RADARID, "emulate", str(walk), "--loop", "--host", HOST, *ports],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    board, told = emulate(), Told()
    time.sleep(5)  # until it answers
    listener = subprocess.Popen(
        [*RADARID, "identify", "--live", "--run", str(args.run), "--interface", HOST, *ports,
         "--json"], stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    next_kill_s = time.monotonic() + (args.kill_every or float("inf"))
    try:
        assert listener.stdout is not None
        for line in listener.stdout:
            told.take(json.loads(line))
            if time.monotonic() > next_kill_s:
                board.kill()
                board.wait()
                board = emulate()
                next_kill_s += args.kill_every
            if time.monotonic() - told.begin_s > 60 * args.minutes:
                break
        return told.summary()
    finally:
        listener.terminate()
        listener.wait()
        board.kill()
        board.wait()


if __name__ == "__main__":
    main()
