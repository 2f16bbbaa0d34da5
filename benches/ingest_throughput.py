"""Raw .bin files on disk -> gait store: `radarid ingest` beside its signal processing alone.

    python benches/ingest_throughput.py [--quick] [--gapped] [--files 8] [--seconds 4]
        [--rounds 3] [--jobs 1 2 4] [--folder DIR] [--json out.json]

The waveform is the reference of `radarid bench` (or its gapped one); files lie in the page cache.
Every round runs the command for half of the files and for all of them, with each number of
processes, in rotated order: the difference is what a file costs, the rest is the start. Beside them
a process runs the engine alone over the same files, on one thread, and one ingest whose parts
are timed (CPU time of each part without the parts inside it). All stores must be equal.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

DSP = Path("dsp", "params.toml")
STAGES = {
    "read": ("capture.file.recording", "FileRecording.frame"),
    "open (layout told by content)": ("radarid.data.sources", "open_recording"),
    "hash": ("radarid.data.sources", "sha256_of"),
    "signal processing": ("radarid.dsp.spectrogram", "SpectrogramStream.push"),
    "signal processing ": ("radarid.dsp.spectrogram", "SpectrogramStream.flush"),
    "clips": ("radarid.dsp.compat", "cut_clips"),
    "faces": ("radarid.data.process", "_faces"),
    "part of the store": ("radarid.data.ingest", "_process"),
    "merge": ("radarid.data.ingest", "_Merge.add"),
    "merge ": ("radarid.data.ingest", "_Merge.__exit__"),
    "plan, facts, progress": ("radarid.data.ingest", "ingest"),
}
"""What is timed, by module and name."""


class Stopwatch:
    """CPU seconds of functions, each without the others that it calls."""

    def __init__(self) -> None:
        self.cpu_s: dict[str, float] = defaultdict(float)
        self._inside: list[float] = []

    def wrap(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, timed."""

        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            start = time.thread_time()
            self._inside.append(0.0)
            try:
                return function(*args, **kwargs)
            finally:
                spent = time.thread_time() - start
                self.cpu_s[stage.strip()] += spent - self._inside.pop()
                if self._inside:
                    self._inside[-1] += spent

        return timed

    def install(self) -> None:
        """Put the timed functions in the places of `STAGES`."""
        for stage, (module, name) in STAGES.items():
            owner: Any = importlib.import_module(module)
            *path, last = name.split(".")
            for part in path:
                owner = getattr(owner, part)
            setattr(owner, last, self.wrap(stage, getattr(owner, last)))


# -- the files --------------------------------------------------------------------------------


def write_files(folder: Path, n_files: int, seconds: float, is_gapped: bool) -> float:
    """Write recordings of one long walk, each a frame later; return the seconds of one."""
    from capture.schema import write_toml
    from radarid.bench import workload

    work = workload.gapped() if is_gapped else workload.evenly_spaced()
    write_toml(folder / "radar.toml", work.radar)
    (folder / "dsp").mkdir()  # a .toml beside the files would be taken for their radar
    write_toml(folder / DSP, work.params)
    n_frames = work.n_frames(seconds)
    frames = [f.tobytes() for f in workload.frame_words(work.radar, n_frames + n_files)]
    for k in range(n_files):
        (folder / f"walk{k:02}.bin").write_bytes(b"".join(frames[k : k + n_frames]))
    return n_frames * work.radar.frame_period_s


def run_command(folder: Path, n_files: int, jobs: int) -> tuple[float, str]:
    """Seconds of a whole `radarid ingest`, and a digest of the store that it made."""
    out = folder / "gait.h5"
    out.unlink(missing_ok=True)
    files = [str(path) for path in sorted(folder.glob("walk*.bin"))[:n_files]]
    command = [sys.executable, "-m", "radarid", "ingest", *files, "--out", str(out),
               "--subject", "anna", "--dsp", str(folder / DSP), "--jobs", str(jobs)]
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start, digest(out)


def digest(store: Path) -> str:
    """Hash of what a store says of its clips and recordings."""
    import numpy as np

    from radarid.data.store import GaitStore

    with GaitStore.open(store) as opened:
        table = opened.table()
        found = hashlib.sha256(opened.read_clips(np.arange(opened.n_clips)).tobytes())
        entries = [(one.name, one.content_id, one.n_frames) for one in opened.recordings()]
        found.update(repr(entries).encode())
        for column in (table.start_s, table.quality, table.velocity_mps, table.range_m):
            found.update(column.tobytes())
    return found.hexdigest()


# -- a process that runs the engine alone, and one ingest with a stopwatch ----------------------


def measure_inside(folder: Path) -> dict[str, Any]:
    """Seconds of the engine alone over all files, and CPU seconds of the parts of an ingest."""
    from radarid.data import ingest
    from radarid.data.manifest import FactFinder
    from radarid.data.sources import raw_files

    started_s = time.process_time()
    from capture.file.recording import open_recording
    from capture.schema import from_mapping, read_toml
    from radarid.dsp.params import DspParams
    from radarid.dsp.spectrogram import SpectrogramStream

    params = from_mapping(DspParams, read_toml(folder / DSP))
    recordings = raw_files(sorted(folder.glob("walk*.bin")), FactFinder(subject="anna"))
    radar = recordings[0].identify().radar

    def engine(n_frames: int | None = None) -> float:
        total_s = 0.0
        for recording in recordings[: 1 if n_frames else None]:
            opened = open_recording(recording.raw.paths, radar)
            start = time.perf_counter()
            stream = SpectrogramStream(radar, params)
            stream.push(opened.frames(0, n_frames))
            stream.flush()
            total_s += time.perf_counter() - start
        return total_s

    before_s = time.process_time()
    engine(20)
    kernels_s = time.process_time() - before_s
    alone_s = engine()
    watch = Stopwatch()
    watch.install()
    out = folder / "inside.h5"
    out.unlink(missing_ok=True)
    report = ingest.ingest(recordings, out, params)
    if report.failed:
        raise SystemExit(report.failed[0].reason)
    return {"alone_s": alone_s, "stages": dict(watch.cpu_s),
            "start": {"interpreter and imports": started_s, "kernels, first frames": kernels_s}}


# -- the comparison ---------------------------------------------------------------------------


def compare(
    folder: Path, n_files: int, radar_s: float, jobs: Sequence[int], rounds: int
) -> dict[str, Any]:
    """Run everything in rotated rounds; medians over them."""
    half = n_files // 2
    inside: list[dict[str, Any]] = []
    wall: dict[tuple[int, int], list[float]] = defaultdict(list)
    digests: dict[int, set[str]] = defaultdict(set)
    runs: list[tuple[int, int] | None] = [None, *((n, j) for j in jobs for n in (half, n_files))]
    for turn in range(rounds):
        for run in runs[turn % len(runs) :] + runs[: turn % len(runs)]:
            if run is None:
                done = subprocess.run([sys.executable, __file__, "--inside", str(folder)],
                                      check=True, stdout=subprocess.PIPE, text=True)
                inside.append(json.loads(done.stdout))
            else:
                seconds, content = run_command(folder, *run)
                wall[run].append(seconds)
                digests[run[0]].add(content)
    if any(len(found) > 1 for found in digests.values()):
        raise SystemExit("the stores depend on the number of processes: there is nothing to time")
    alone_s = statistics.median(one["alone_s"] for one in inside) / n_files
    return {
        "alone_ms_per_radar_s": 1e3 * alone_s / radar_s,
        "jobs": {j: _row(wall[half, j], wall[n_files, j], n_files, radar_s, alone_s, j)
                 for j in jobs},
        "start_s": _medians(inside, "start", 1.0),
        "stages_ms_per_radar_s": _medians(inside, "stages", 1e3 / (n_files * radar_s)),
    }  # fmt: skip


def _row(
    half: list[float], whole: list[float], n_files: int, radar_s: float, alone_s: float, jobs: int
) -> dict[str, float]:
    middle = statistics.median(whole)
    more_files = n_files - n_files // 2
    file_s = statistics.median((b - a) / more_files for a, b in zip(half, whole, strict=True))
    in_parallel = min(jobs, os.cpu_count() or 1)
    return {
        "wall_s": middle,
        "start_s": middle - n_files * file_s,
        "ms_per_radar_s": 1e3 * file_s / radar_s,
        "real_time_factor": radar_s / file_s if file_s > 0 else float("nan"),
        "of_the_engine": alone_s / in_parallel / file_s if file_s > 0 else float("nan"),
        "of_the_engine_with_start": n_files * alone_s / in_parallel / middle,
    }


def _medians(rows: list[dict[str, Any]], key: str, scale: float) -> dict[str, float]:
    return {name: scale * statistics.median(row[key].get(name, 0.0) for row in rows)
            for name in rows[0][key]}  # fmt: skip


def show(report: dict[str, Any]) -> None:
    """Print the report as tables."""
    from rich.console import Console
    from rich.table import Table

    console, alone = Console(), report["alone_ms_per_radar_s"]
    table = Table("processes", "wall s", "start s", "ms per radar s", "x real time",
                  "of engine", "with start")  # fmt: skip
    table.title = f"{report['files']} files of {report['radar_s']:.2f} s"
    table.add_row("engine, 1 thread", "", "", f"{alone:.1f}", f"{1e3 / alone:.0f}", "1", "")
    for jobs, row in report["jobs"].items():
        table.add_row(
            str(jobs), f"{row['wall_s']:.2f}", f"{row['start_s']:.2f}",
            f"{row['ms_per_radar_s']:.1f}", f"{row['real_time_factor']:.0f}",
            f"{row['of_the_engine']:.2f}", f"{row['of_the_engine_with_start']:.2f}",
        )  # fmt: skip
    console.print(table)
    shares = report["stages_ms_per_radar_s"]
    table = Table("part of an ingest in one process", "CPU ms per radar s", "share")
    for stage, cost in sorted(shares.items(), key=lambda item: -item[1]):
        table.add_row(stage, f"{cost:.2f}", f"{cost / sum(shares.values()):.1%}")
    console.print(table)
    once = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in report["start_s"].items())
    console.print(f"once a process, CPU: {once}")
    console.print(f"cores {report['cores']}, load before {report['load']:.1f}")


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="2 files of 1 s, 1 round")
    parser.add_argument("--gapped", action="store_true", help="the paper's waveform")
    parser.add_argument("--files", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=4.0, help="of a file")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--jobs", type=int, nargs="+", default=None)
    parser.add_argument("--folder", type=Path, help="where to write the files")
    parser.add_argument("--json", type=Path, help="write the report here")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        print(json.dumps(measure_inside(options.inside)))
        return
    n_files, seconds, rounds = options.files, options.seconds, options.rounds
    if options.quick:
        n_files, seconds, rounds = 2, 1.0, 1
    jobs = options.jobs or sorted({1, 2, os.cpu_count() or 1})
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        radar_s = write_files(Path(name), n_files, seconds, options.gapped)
        report = compare(Path(name), n_files, radar_s, jobs, rounds)
    report |= {"files": n_files, "radar_s": radar_s, "cores": os.cpu_count(), "load": load}
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    show(report)


if __name__ == "__main__":
    main()
