"""How soon live identification knows: every stage, from a frame's last packet to the decision.

    python benches/live_latency.py [--seconds 60] [--size 256] [--runtime onnx] [--threads 2]

The emulator, a process of its own, plays a simulated walk of the paper's radar (942 080 bytes a
frame, 30 a second) over loopback in a loop; the listener is another process with an untrained
ResNet18, which is as fast as a trained one, and clips of 256 x 256. Start-up is from the start of
that process to its bound socket. CPU is that of the listener, receiving included, against one core.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

HOST, BOARD = "127.0.0.40", "127.0.0.41"
GOAL_MS, START_GOAL_S = 33.0, 5.0
HERE = Path(__file__).resolve()


def simulate(folder: Path, seconds: float, radar: str) -> Path:
    """A walk, by the command of a user."""
    subprocess.run([sys.executable, "-m", "radarid", "simulate", str(folder), "--subjects", "1",
                    "--walks", "1", "--sessions", "1", "--seconds", str(seconds), "--radar", radar],
                   check=True, stdout=subprocess.DEVNULL)
    (path,) = folder.glob("*.bin")
    return path


def prepare(folder: Path, job: dict[str, Any]) -> dict[str, str]:
    """An untrained student on disk, as a run or as an exported file, and where it is."""
    import torch

    from capture.formats.load import load_radar_config
    from radarid.dsp.params import DspParams
    from radarid.learn.openset import Calibration
    from radarid.learn.student_file import TrainedStudent, save_student
    from radarid.learn.students import InputParams, build_student

    torch.manual_seed(0)
    model = build_student(job["student"], "repeat", 12).eval()
    people = tuple(f"p{k}" for k in range(12))
    student = TrainedStudent(
        model, job["student"], InputParams(size=job["size"]), people,
        load_radar_config(Path(job["radar"])), DspParams(),
        np.eye(12, model.n_embedding, dtype=np.float32), Calibration(0.0, 0, 0, 1, 1), {},
    )  # fmt: skip
    if job["runtime"] == "torch":
        save_student(folder, student)
        return {"run": str(folder)}
    from radarid.live.onnx_graph import to_onnx
    from radarid.live.onnx_student import pack

    path = folder / "student.onnx"
    path.write_bytes(pack(to_onnx(student), student, "float32", "0" * 16))
    return {"model": str(path)}


def listen(job: dict[str, Any]) -> None:
    """The listener: everything that `identify --live` does."""
    from capture.dca1000.link import LinkParams
    from radarid.cli.student import open_student
    from radarid.live.engine import LiveIdentifier, LiveParams
    from radarid.live.identify import Decider
    from radarid.live.session import LivePlan, LiveSession
    from radarid.live.timings import Timings

    if "model" in job:
        from radarid.live.onnx_student import load_onnx

        is_rounded = job["runtime"] == "bfloat16"
        student = load_onnx(Path(job["model"]), job["threads"], bfloat16=is_rounded)
    else:
        student = open_student(Path(job["run"]), None)
        if job["threads"]:
            import torch

            torch.set_num_threads(job["threads"])
    radar = student.radar
    identifier = LiveIdentifier(Decider(student), params=LiveParams(n_threads=job["dsp_threads"]))
    identifier.timings = Timings(10**6)
    link = LinkParams(host=HOST, dca1000=BOARD, config_port=job["port"], data_port=job["port"] + 1)
    identifier.warm_up()
    session = LiveSession(LivePlan(config=radar, link=link, receive_only=True), identifier)
    states: list[dict[str, Any]] = []
    identifier.listen(lambda snapshot: states.append(vars(snapshot.health)))
    identifier.listen(_Announcer(job["seconds"], session.stop))
    threading.Timer(0.2, lambda: print("listening", flush=True)).start()
    session.run()
    busy = [one for one in states if one["state"] == "receiving" and one["frames_hz"] > 0]
    print(json.dumps({
        "stages_ms": {name: _quantiles(times) for name, times in identifier.timings.of.items()},
        "cpu_share": float(np.median([one["cpu_share"] for one in busy])),
        "n_frames": states[-1]["n_frames"], "n_dropped": states[-1]["n_dropped"],
        "n_lost_packets": states[-1]["n_lost_packets"], "memory_bytes": states[-1]["memory_bytes"],
    }), flush=True)  # fmt: skip


class _Announcer:
    """Stops the session some time after the first frame; a listener of it."""

    def __init__(self, seconds: float, stop: Any) -> None:
        self._seconds, self._stop = seconds, stop
        self._begun_s: float | None = None

    def __call__(self, snapshot: Any) -> None:
        if self._begun_s is None and snapshot.health.n_frames:
            self._begun_s = time.monotonic()
        if self._begun_s is not None and time.monotonic() - self._begun_s > self._seconds:
            self._stop()


def _quantiles(times: Any) -> dict[str, float]:
    if not times:
        return {}
    p50, p95, p99 = np.percentile(list(times), [50, 95, 99])
    return {"p50": float(p50), "p95": float(p95), "p99": float(p99), "max": float(max(times)),
            "n": len(times)}


def measure(walk: Path, job: dict[str, Any]) -> dict[str, Any]:
    """Play a walk to a listener."""
    begin_s = time.monotonic()
    with subprocess.Popen([sys.executable, str(HERE), "--listen", json.dumps(job)],
                          stdout=subprocess.PIPE, text=True) as listener:
        assert listener.stdout is not None
        assert listener.stdout.readline().strip() == "listening"
        start_s = time.monotonic() - begin_s - 0.2
        with subprocess.Popen(
            [sys.executable, "-m", "radarid", "emulate", str(walk), "--radar", job["radar"],
             "--start-now", "--loop", "--packet-delay", "5", "--host", HOST, "--dca", BOARD,
             "--config-port", str(job["port"]), "--data-port", str(job["port"] + 1)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        ) as board:
            result = json.loads(listener.stdout.readline())
            board.terminate()
    return {"start_s": start_s} | result


def show(result: dict[str, Any]) -> None:
    """Print a table."""
    print("| stage | p50 ms | p95 ms | p99 ms | most ms | n |\n|---|---|---|---|---|---|")
    for name, row in result["stages_ms"].items():
        if row:
            print(f"| {name} | " + " | ".join(f"{row[q]:.1f}" for q in ("p50", "p95", "p99", "max"))
                  + f" | {row['n']} |")
    print(f"\nstart-up to listening {result['start_s']:.1f} s (goal {START_GOAL_S:g}); CPU "
          f"{result['cpu_share']:.0%} of a core; {result['memory_bytes'] / 2**20:.0f} MiB; "
          f"{result['n_frames']} frames, {result['n_dropped']} dropped, "
          f"{result['n_lost_packets']} packets lost; load {result['load'][0]:.1f}")
    for name in ("frame", "decision"):
        row = result["stages_ms"][name]
        if row:
            met = "met" if row["p99"] <= GOAL_MS else "missed"
            print(f"{name}: p99 {row['p99']:.1f} ms against {GOAL_MS:g} ms: {met}")


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--radar", default="paper", help="name of a configuration")
    parser.add_argument("--student", default="resnet18")
    parser.add_argument("--size", type=int, default=256, help="of the student's input, pixels")
    parser.add_argument("--runtime", choices=("torch", "onnx", "bfloat16"), default="torch",
                        help="bfloat16: OpenVINO, of the exported file")
    parser.add_argument("--threads", type=int, default=0, help="of the network; 0: all cores")
    parser.add_argument("--dsp-threads", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the numbers here")
    parser.add_argument("--listen", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.listen:
        listen(json.loads(args.listen))
        return
    from radarid.config import find

    job = {"seconds": args.seconds, "student": args.student, "size": args.size,
           "radar": str(find("radar", args.radar)), "runtime": args.runtime,
           "threads": args.threads, "dsp_threads": args.dsp_threads,
           "port": 20_000 + os.getpid() % 20_000}  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        walk = simulate(Path(folder), 4.0, job["radar"])
        result = measure(walk, job | prepare(Path(folder), job))
    result |= {"machine": platform.processor(), "cores": os.cpu_count(), "load": os.getloadavg(),
               "goal_ms": GOAL_MS, "job": {k: v for k, v in job.items() if k != "radar"}}
    show(result)
    if args.json:
        args.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
