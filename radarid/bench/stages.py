"""The chain stage by stage, each from memory that is hot, on one thread and on two."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from capture.file.recording import open_recording
from capture.types import AdcFrame
from radarid.bench import timing
from radarid.bench.contenders import halves
from radarid.bench.job import ImageColumns, Job
from radarid.bench.timing import Patience
from radarid.dsp.gating import RangeTrack
from radarid.dsp.moments import Moments
from radarid.dsp.range_fft import RangeStage
from radarid.dsp.spectrogram import SpectrogramStream
from radarid.dsp.stft import SliceTransform

_N_FRAMES = 8  # as many as the engine holds at a time; they stay in the cache
_BATCH = 800  # transforms at once when a library's are timed alone: 1.6 MB


@dataclass(frozen=True)
class Stage:
    """One step: the functions that its threads run, and what a run of all of them amounts to.

    Attributes
    ----------
    runs : one function a thread
    radar_s : seconds of radar that they work off
    n_ffts, n_points : transforms in that, and their length
    n_bytes : raw bytes in that
    """

    runs: list[Callable[[], object]]
    radar_s: float
    n_ffts: int = 0
    n_points: int = 1
    n_bytes: int = 0


def measure(
    job: Job, n_rounds: int, peak_gflops: dict[int, float], patience: Patience
) -> list[dict[str, Any]]:
    """Rows of the table of stages: time, rates, share of the vector peak."""
    stages = {(name, n): stage for n in (1, 2) for name, stage in _stages(job, n).items()}
    pool = ThreadPoolExecutor(2)

    def together(stage: Stage) -> Callable[[], object]:
        if len(stage.runs) == 1:
            return stage.runs[0]
        return lambda: list(pool.map(lambda run: run(), stage.runs))

    runs = {f"{n} {name}": together(stage) for (name, n), stage in stages.items()}
    samples = timing.rounds(runs, runs, n_rounds, patience)
    rows = []
    for (name, n), stage in stages.items():
        middle = timing.summary(samples[f"{n} {name}"])
        wall_s = middle["wall_s"]
        gflops = 5 * stage.n_ffts * stage.n_points * np.log2(stage.n_points) / wall_s / 1e9
        rows.append({
            "stage": name,
            "n_threads": n,
            "ms_per_radar_s": 1e3 * wall_s / stage.radar_s,
            "megabytes_per_s": stage.n_bytes / 1e6 / wall_s,
            "mffts_per_s": stage.n_ffts / 1e6 / wall_s,
            "gflops": float(gflops),
            "share_of_peak": float(gflops / peak_gflops[n]),
            "utilisation": middle["utilisation"],
            "foreign": middle["foreign"],
            "samples": [asdict(one) for one in samples[f"{n} {name}"]],
        })  # fmt: skip
    return rows


def _stages(job: Job, n_threads: int) -> dict[str, Stage]:
    stages = {
        "read": _read(job, n_threads),
        "range": _range(job, n_threads),
        "slices": _slices(job, n_threads),
        "scipy.fft alone": _scipy_alone(job, n_threads),
    }
    if find_spec("pyfftw"):
        stages["FFTW alone"] = _fftw_alone(job, n_threads)
    if n_threads == 1:
        stages = {"open": _open(job)} | stages | {"track": _track(job), "image": _image(job)}
    return stages


def _open(job: Job) -> Stage:
    """Once a recording: sizes, headers, and the evidence for its layout."""
    return Stage([lambda: open_recording(job.path, job.radar)], job.capture_s)


def _read(job: Job, n_threads: int) -> Stage:
    recording = open_recording(job.path, job.radar)

    def reader(own: range) -> Callable[[], object]:
        return lambda: [int(recording.frame(k).words.reshape(-1)[::2048].sum()) for k in own]

    n_bytes = job.n_frames * job.radar.frame_bytes
    readers = [reader(own) for own in halves(job.n_frames, n_threads)]
    return Stage(readers, job.capture_s, n_bytes=n_bytes)


def _frames(job: Job) -> list[AdcFrame]:
    recording = open_recording(job.path, job.radar)
    return [recording.frame(k) for k in range(min(_N_FRAMES, job.n_frames))]


def _range(job: Job, n_threads: int) -> Stage:
    frames = _frames(job)

    def transform(own: range) -> Callable[[], object]:
        stage = RangeStage(job.radar, job.params)
        return lambda: [stage(frames[k]) for k in own]

    return Stage(
        [transform(own) for own in halves(len(frames), n_threads)],
        len(frames) * job.radar.frame_period_s,
        len(frames) * job.n_chirps * job.n_rx,
        job.n_samples,
        len(frames) * job.radar.frame_bytes,
    )


def _profiles(job: Job) -> tuple[np.ndarray, np.ndarray]:
    stage = RangeStage(job.radar, job.params)
    parts = [stage(frame) for frame in _frames(job)]
    profiles, valid = (np.concatenate(part) for part in zip(*parts, strict=True))
    return profiles, valid


def _slices(job: Job, n_threads: int) -> Stage:
    profiles, valid = _profiles(job)
    starts = np.arange(0, len(valid) - job.window + 1, job.grid.hop)
    means = np.stack([profiles[start : start + job.window].mean(axis=0) for start in starts])
    gates = np.tile(np.array([0, job.n_bins]), (len(starts), 1))
    velocity = SpectrogramStream(job.radar, job.params).velocity_mps
    power = np.empty((len(starts), len(velocity)), np.float32)

    def transform(share: range) -> Callable[[], object]:
        own, rows = slice(share.start, share.stop), np.arange(share.start, share.stop)
        stage = SliceTransform(job.radar, job.params, job.grid, velocity)
        return lambda: stage.many(profiles, valid, starts[own], gates[own], means, rows, power[own])

    return Stage(
        [transform(share) for share in halves(len(starts), n_threads)],
        len(starts) * job.grid.hop * job.grid.interval_s,
        len(starts) * job.n_rx * job.n_bins,
        job.n_fft,
    )


def _track(job: Job) -> Stage:
    """Moments of every step, and the recursion over them."""
    profiles, valid = _profiles(job)
    n_frames = len(valid) // job.n_chirps
    range_m = SpectrogramStream(job.radar, job.params).range_m
    step_s = job.radar.frame_period_s
    lag = max(1, round(job.params.track_lag_s / step_s))
    moments = Moments(n_frames, job.n_chirps, *profiles.shape[1:])

    def run() -> None:
        track = RangeTrack(range_m, job.params.track_speed_mps * step_s, lag)
        moments.measure(profiles, valid)
        track.push(moments.energy)

    return Stage([run], n_frames * step_s)


def _image(job: Job) -> Stage:
    """Slices to columns, to dB."""
    stream = SpectrogramStream(job.radar, job.params)
    parts = [stream.push(open_recording(job.path, job.radar)), stream.flush()]

    def run() -> None:
        columns = ImageColumns(stream, job.time_s)
        for part in parts:
            columns.add(part)
        columns.image()

    return Stage([run], job.capture_s)


# -- what libraries' transforms take without anything around them ----------------------------------
def _alone(job: Job, runs: list[Callable[[], object]]) -> Stage:
    n_ffts = _BATCH * len(runs)
    return Stage(runs, n_ffts / job.n_rx * job.grid.interval_s, n_ffts, job.n_samples)


def _scipy_alone(job: Job, n_threads: int) -> Stage:
    fft: Any = import_module("scipy.fft").fft

    def transform() -> Callable[[], object]:
        samples = np.ones((_BATCH, job.n_samples), np.complex64)
        return lambda: fft(samples, overwrite_x=False)

    return _alone(job, [transform() for _ in range(n_threads)])


def _fftw_alone(job: Job, n_threads: int) -> Stage:
    pyfftw = import_module("pyfftw")

    def transform() -> Callable[[], object]:
        source, result = (
            pyfftw.zeros_aligned((_BATCH, job.n_samples), np.complex64) for _ in range(2)
        )
        plan = pyfftw.FFTW(source, result, axes=(-1,), flags=("FFTW_MEASURE",))
        return lambda: plan.execute()

    return _alone(job, [transform() for _ in range(n_threads)])
