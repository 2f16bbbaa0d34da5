"""Raw .bin on disk -> one 256 x 256 micro-Doppler image: radarid against SciPy and OpenRadar.

All contenders compute the same image of the same capture (the paper's waveform: 4 RX, 256 samples,
230 chirps every 33 ms): Hann range transform, mean over the frame subtracted, four Hann windows
of 128 chirps per frame, 512-point transforms, power summed over antennas and the walker's range
gate, then the same pixels. The gates are given to the others; radarid finds them itself in the
time that is measured. Images must agree before anything is timed.

    python benches/dsp_throughput.py [--quick] [--seconds 4] [--rounds 7] [--json out.json]

Every round runs all contenders on one thread, in rotated order; ratios are paired within a round.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from capture.config import RadarConfig
    from radarid.dsp.params import DspParams
    from radarid.dsp.slices import Axes, Slices

Contender = Callable[[], np.ndarray]


def write_capture(path: Path, radar: RadarConfig, n_frames: int) -> None:
    """Write a seeded walker (a body, two swinging limbs), a wall and noise, groups IIQQ."""
    rng = np.random.default_rng(0)
    first_hz = radar.start_frequency_hz + radar.slope_hz_per_s * radar.adc_start_s
    sweep_hz = first_hz + radar.slope_hz_per_s * np.arange(256) / radar.sample_rate_hz
    with path.open("wb") as file:
        for k in range(n_frames):
            t = k * radar.frame_period_s + radar.chirp_start_s
            body, swing = 2.5 + 1.2 * t, 0.25 * np.sin(2 * np.pi * 0.9 * t)
            echoes = [(300, body), (60, body + swing), (60, body - swing), (900, 0 * t + 6.3)]
            one = sum(
                a * np.exp(4j * np.pi / 299_792_458.0 * r[:, None] * sweep_hz) for a, r in echoes
            )
            words = np.empty((230, 4, 128, 2, 2), np.float32)  # .. pair, component, in the pair
            rng.standard_normal(words.shape, np.float32, out=words)
            words *= 40
            words[..., 0, :] += np.real(one).reshape(230, 1, 128, 2)
            words[..., 1, :] += np.imag(one).reshape(230, 1, 128, 2)
            file.write(np.rint(words).astype("<i2").tobytes())


class Job:
    """The definition that all contenders share."""

    def __init__(self, path: Path, radar: RadarConfig, params: DspParams) -> None:
        self.path, self.radar, self.params = path, radar, params
        slices, self.axes = self.slices()
        self.bins = np.rint(self.axes.range_m / radar.range_resolution_m).astype(int)
        self.kept = slice(int(self.bins[0]), int(self.bins[-1]) + 1)
        near = np.abs(self.axes.range_m - slices.range_m[::4, None].astype(float)) <= params.gate_m
        self.gates = [slice(int(row.argmax()), int(row.size - row[::-1].argmax())) for row in near]
        self.template = slices
        self.starts = np.array([0, 34, 68, 102])  # 230 chirps, windows of 128, evenly placed
        self.hann = np.hanning(257)[:256].astype(np.float32)
        self.taper = np.hanning(129)[:128].astype(np.float32)

    def slices(self) -> tuple[Slices, Axes]:
        """Slices as radarid makes them."""
        from capture.file.recording import open_recording
        from radarid.dsp.spectrogram import process

        return process(open_recording(self.path, self.radar), self.params)

    def image(self, slices: Slices) -> np.ndarray:
        """Pixels of the whole capture, in dB, without the mapping to [0, 1]."""
        from radarid.dsp.clips import columns_at

        time_s = np.linspace(slices.time_s[0], slices.time_s[-1], 256)
        power = columns_at(slices, self.axes, self.params, time_s).power
        return 10 * np.log10(np.maximum(power.T, 1e-30))

    def finish(self, spectra: np.ndarray) -> np.ndarray:
        """Power (n_slices, 512) of another contender -> the same pixels."""
        from dataclasses import replace

        spacing = self.radar.wavelength_m / 2 / (512 * self.radar.slow_time_interval_s)
        velocity = np.arange(-256, 256) * spacing
        ordered = np.fft.fftshift(spectra, axes=1)
        power = np.stack([np.interp(self.axes.velocity_mps, velocity, row) for row in ordered])
        return self.image(replace(self.template, power=power.astype(np.float32)))

    def frame_spectra(self, ranged: np.ndarray, gate: slice) -> np.ndarray:
        """Slow-time spectra of one frame's kept range bins (230, 4, n_bins) with SciPy."""
        import scipy.fft

        moving = ranged[:, :, gate] - ranged[:, :, gate].mean(axis=0)
        windows = moving[self.starts[:, None] + np.arange(128)] * self.taper[:, None, None]
        windows = np.ascontiguousarray(np.moveaxis(windows, 1, -1))
        spectrum = scipy.fft.fft(windows, 512, axis=-1, overwrite_x=True)
        return (spectrum.real**2 + spectrum.imag**2).sum(axis=(1, 2))


def radarid(job: Job) -> Contender:
    """The engine."""
    return lambda: job.image(job.slices()[0])


def scipy_whole(job: Job) -> Contender:
    """Decode the whole file, transform the whole file: how most scripts do it."""

    def run() -> np.ndarray:
        import scipy.fft

        words = np.fromfile(job.path, "<i2").reshape(-1, 230, 4, 128, 2, 2)
        samples = np.empty((len(words), 230, 4, 256), np.complex64)
        pairs = samples.reshape(len(words), 230, 4, 128, 2)
        pairs.real, pairs.imag = words[..., 0, :], words[..., 1, :]
        ranged = scipy.fft.fft(samples * job.hann, axis=-1)[..., job.kept]
        return job.finish(np.concatenate(
            [job.frame_spectra(one, gate) for one, gate in zip(ranged, job.gates, strict=True)]
        ))  # fmt: skip

    return run


def scipy_frames(job: Job) -> Contender:
    """The same frame by frame, so that the work stays in cache: SciPy used with care."""

    def run() -> np.ndarray:
        import scipy.fft

        words = np.memmap(job.path, "<i2", mode="r").reshape(-1, 230, 4, 128, 2, 2)
        samples = np.empty((230, 4, 256), np.complex64)
        pairs = samples.reshape(230, 4, 128, 2)
        spectra = []
        for frame, gate in zip(words, job.gates, strict=True):
            pairs.real, pairs.imag = frame[..., 0, :], frame[..., 1, :]
            ranged = scipy.fft.fft(samples * job.hann, axis=-1, overwrite_x=True)[..., job.kept]
            spectra.append(job.frame_spectra(ranged, gate))
        return job.finish(np.concatenate(spectra))

    return run


def openradar(job: Job) -> Contender:
    """OpenRadar's organiser and range transform, SciPy for the rest (it has no STFT)."""

    def run() -> np.ndarray:
        from mmwave.dataloader import DCA1000
        from mmwave.dsp import range_processing
        from mmwave.dsp.utils import Window

        words = np.fromfile(job.path, "<i2").reshape(-1, 230 * 4 * 256 * 2)
        spectra = []
        for frame, gate in zip(words, job.gates, strict=True):
            samples = DCA1000.organize(frame, 230, 4, 256)
            ranged = range_processing(samples, window_type_1d=Window.HANNING)[..., job.kept]
            spectra.append(job.frame_spectra(ranged, gate))
        return job.finish(np.concatenate(spectra))

    return run


CONTENDERS = {
    "radarid": radarid,
    "SciPy, frame by frame": scipy_frames,
    "NumPy + SciPy, whole file": scipy_whole,
    "OpenRadar + SciPy": openradar,
}


def disagreement_db(image: np.ndarray, other: np.ndarray) -> float:
    """Median difference of two images of unknown scale where there is signal."""
    near = image > image.max() - 45
    difference = (image - other)[near]
    return float(np.median(np.abs(difference - np.median(difference))))


def measure(runs: dict[str, Contender], rounds: int) -> dict[str, list[float]]:
    """Seconds of each contender in each round, in rotated order."""
    names = list(runs)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            start = time.perf_counter()
            runs[name]()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def summary(
    seconds: dict[str, list[float]], capture_s: float, n_bytes: int
) -> dict[str, dict[str, float]]:
    """Numbers of each contender; ratios are those of the same round."""
    ours = seconds["radarid"]
    table = {}
    for name, own in seconds.items():
        ratios = [a / b for a, b in zip(own, ours, strict=True)]
        middle = statistics.median(own)
        table[name] = {
            "ms_per_radar_s": 1e3 * middle / capture_s,
            "real_time_factor": capture_s / middle,
            "megabytes_per_s": n_bytes / 1e6 / middle,
            "radarid_is_faster_by": statistics.median(ratios),
            "at_least": min(ratios),
            "at_most": max(ratios),
        }
    return table


def environment(radar: RadarConfig, params: DspParams) -> dict[str, Any]:
    """What the numbers depend on."""
    import numba
    import scipy

    from capture.schema import fingerprint

    cpu = Path("/proc/cpuinfo")
    model = next(
        (line.partition(": ")[2] for line in cpu.read_text().splitlines() if "model name" in line),
        platform.processor(),
    ) if cpu.is_file() else platform.processor()  # fmt: skip
    return {
        "cpu": model, "cores": os.cpu_count(), "threads": 1, "python": platform.python_version(),
        "numpy": np.__version__, "scipy": scipy.__version__, "numba": numba.__version__,
        "radar": radar.fingerprint, "dsp": fingerprint(params),
    }  # fmt: skip


def show(report: dict[str, Any]) -> None:
    """Print the report as a table."""
    from rich.console import Console
    from rich.table import Table

    table = Table("contender", "ms per radar s", "x real time", "MB/s", "radarid is faster by")
    for name, row in report["contenders"].items():
        ratio = f"{row['radarid_is_faster_by']:.2f} ({row['at_least']:.2f}-{row['at_most']:.2f})"
        table.add_row(
            name, f"{row['ms_per_radar_s']:.1f}", f"{row['real_time_factor']:.1f}",
            f"{row['megabytes_per_s']:.0f}", "1" if name == "radarid" else ratio,
        )  # fmt: skip
    console = Console()
    console.print(table)
    console.print(f"first image, kernels not compiled yet: {report['first_image_s']:.2f} s")
    console.print(f"median difference of images / dB: {report['disagreement_db']}")
    console.print(report["environment"])


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", type=Path, help="write the report here")
    parser.add_argument("--quick", action="store_true", help="1 s of radar, 2 rounds")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of the capture")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    capture_s, rounds = (1.0, 2) if options.quick else (options.seconds, options.rounds)
    with tempfile.TemporaryDirectory() as folder:
        # Read when numba is imported: kernels compile afresh, and compile time shows.
        os.environ["NUMBA_CACHE_DIR"] = folder
        report = compare(Path(folder) / "walk.bin", capture_s, rounds)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    show(report)


def compare(path: Path, capture_s: float, rounds: int) -> dict[str, Any]:
    """Write a capture, check that all contenders see the same in it, and time them."""
    from threadpoolctl import threadpool_limits

    from capture.config import RadarConfig
    from radarid.dsp.params import DspParams

    radar, params = RadarConfig(), DspParams()
    n_frames = round(capture_s / radar.frame_period_s)
    write_capture(path, radar, n_frames)
    with threadpool_limits(1):
        start = time.perf_counter()
        job = Job(path, radar, params)
        first_image_s = time.perf_counter() - start
        runs = {name: make(job) for name, make in CONTENDERS.items()}
        image = runs["radarid"]()
        differences = {name: round(disagreement_db(image, run()), 4) for name, run in runs.items()}
        wrong = {name: db for name, db in differences.items() if db > 0.05}
        if wrong:
            raise SystemExit(f"images disagree, so there is nothing to time: {wrong} dB")
        seconds = measure(runs, rounds)
    n_bytes = n_frames * radar.frame_bytes
    return {
        "environment": environment(radar, params),
        "capture_s": n_frames * radar.frame_period_s,
        "megabytes": n_bytes / 1e6,
        "rounds": rounds,
        "first_image_s": first_image_s,
        "disagreement_db": differences,
        "contenders": summary(seconds, n_frames * radar.frame_period_s, n_bytes),
        "seconds": seconds,
    }


if __name__ == "__main__":
    main()
