"""Small recordings of points that walk, as files, and stores that are compared by their content."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from capture.config import C_MPS, RadarConfig
from capture.file.recording import RecordingWriter
from capture.file.sidecar import Sidecar, write_sidecar
from capture.layouts import default_layout, encode
from capture.schema import write_toml
from radarid.data.manifest import FactFinder
from radarid.data.sources import RawFiles, raw_files
from radarid.dsp.params import DspParams

RADAR = RadarConfig(n_samples=64, rx_mask=1, n_loops=64, frame_period_s=20e-3)
DSP = DspParams(clip_s=0.5, hop_s=0.25, image_size=32, window_chirps=32)
N_FRAMES = 60
PERIOD_S = N_FRAMES * RADAR.frame_period_s  # 1.2 s: clips start at 0, 0.25, 0.5 s


def walk_words(radar: RadarConfig, start_m: float, speed_mps: float, seed: int) -> np.ndarray:
    """int16 words (n_frames, n_chirps, words): a point that walks, by the FMCW beat equation."""
    chirp_s = np.arange(N_FRAMES)[:, None] * radar.frame_period_s + radar.chirp_start_s
    range_m = start_m + speed_mps * chirp_s[..., None]
    fast_s = np.arange(radar.n_samples) / radar.sample_rate_hz
    beat_hz = 2 * radar.slope_hz_per_s * range_m / C_MPS
    phase = 2 * np.pi * beat_hz * fast_s + 4 * np.pi * range_m / radar.wavelength_m
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((*phase.shape, 2)) @ (10, 10j)
    samples = (1000 * np.exp(1j * phase) + noise).astype(np.complex64)[:, :, None]
    return np.stack([encode(frame, default_layout(radar), radar) for frame in samples])


def write_walk(
    folder: Path, name: str, start_m: float = 2.0, speed_mps: float = 1.3, seed: int = 0,
    radar: RadarConfig = RADAR, **facts: object,
) -> Path:  # fmt: skip
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.bin"
    with RecordingWriter(path, radar) as writer:
        for words in walk_words(radar, start_m, speed_mps, seed):
            writer.write(words)
    write_toml(folder / f"{name}.toml", radar)
    known = {"subject": "anna", "session": "day1", "take": name} | facts
    write_sidecar(Sidecar.path_for(path), Sidecar(**known))  # type: ignore[arg-type]
    return path


def write_three(folder: Path) -> Path:
    """Two walks of anna, on two days, and one of bob."""
    write_walk(folder, "w1")
    write_walk(folder, "w2", 4.0, -1.0, 1, subject="bob")
    write_walk(folder, "w3", 3.0, 1.0, 2, session="day2")
    return folder


def recordings(folder: Path, *names: str) -> list[RawFiles]:
    return raw_files([folder / f"{name}.bin" for name in names], FactFinder())


def content(path: Path) -> dict[str, object]:
    """Everything in a store but the times of its making."""
    with h5py.File(path) as file:
        found = {name: file.attrs[name].tolist() if isinstance(file.attrs[name], np.ndarray)
                 else file.attrs[name] for name in file.attrs}
        file.visititems(lambda name, item: found.__setitem__(name, item[()].tolist())
                        if isinstance(item, h5py.Dataset) else None)
    found.pop("history")
    found.pop("recordings/history")
    return found
