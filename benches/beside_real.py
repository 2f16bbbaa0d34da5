"""Lay simulated micro-Doppler beside real spectrograms of MMRGait-1.0, on the same axes.

    python benches/beside_real.py walk.bin spectrogram.MAT --out beside.png

The real files (Du et al. 2023, `tfmap`: dB over Doppler bins and columns) carry no axes. Two facts
of the picture give them: the notch at zero Doppler is bin 128, and the walker is on the side of the
smaller bins, which is drawn as positive. The scales (m/s a bin, seconds a column) are those that
bring the torso line and the step rate of the real walker onto the simulated one's: shapes can be
compared, absolute speeds cannot.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import scipy.io

from capture.file.recording import open_recording
from capture.formats.load import find_config, load_radar_config
from capture.simulate.truth import Truth, read_truth
from radarid.dsp import plots
from radarid.dsp.clips import columns_at
from radarid.dsp.params import DspParams
from radarid.dsp.spectrogram import process

ZERO_BIN = 128
Panel = tuple[str, np.ndarray, np.ndarray, np.ndarray]


def simulated(path: Path) -> Panel:
    """Time, velocity and dB of a simulated recording."""
    params = DspParams(max_velocity_mps=6.0)
    source = open_recording(path, load_radar_config(find_config(path)))
    slices, axes = process(source, params)
    time_s = np.linspace(slices.time_s[0], slices.time_s[-1], 800)
    power = columns_at(slices, axes, params, time_s).power
    floor = np.median(power[power > 0])
    return path.name, time_s, axes.velocity_mps, 10 * np.log10(np.maximum(power, floor)).T


def real(path: Path, speed_mps: float, step_hz: float) -> Panel:
    """Time, velocity and dB of a real spectrogram, scaled to a walker's speed and step rate."""
    image_db = scipy.io.loadmat(path)["tfmap"][::-1]
    bins = (ZERO_BIN - np.arange(image_db.shape[0]))[::-1]
    power = 10 ** (image_db / 10)
    torso = np.abs(bins[np.argmax(np.where(np.abs(bins) > 5, power.mean(1), 0))])
    fast = power[np.abs(bins) > 1.7 * torso].sum(0)  # legs in swing
    envelope = np.convolve(fast - fast.mean(), np.hanning(15), mode="same")
    spectrum = np.abs(np.fft.rfft(envelope, 4096))
    cycles = np.fft.rfftfreq(4096)
    plausible = (cycles > 1 / 90) & (cycles < 1 / 30)
    columns_per_step = 1 / cycles[plausible][np.argmax(spectrum[plausible])]
    time_s = np.arange(image_db.shape[1]) / (columns_per_step * step_hz)
    title = f"{path.name}, real (a step is {columns_per_step:.0f} columns, the torso bin {torso})"
    return title, time_s, bins * speed_mps / torso, image_db


def crop(panels: list[Panel]) -> list[Panel]:
    """Keep the times and velocities that every panel shows."""
    stop_s = min(time_s[-1] for _, time_s, _, _ in panels)
    low, high = max(v[0] for _, _, v, _ in panels), min(v[-1] for _, _, v, _ in panels)
    cropped = []
    for title, time_s, velocity_mps, level_db in panels:
        shown, rows = time_s <= stop_s, (velocity_mps >= low) & (velocity_mps <= high)
        cropped.append((title, time_s[shown], velocity_mps[rows], level_db[rows][:, shown]))
    return cropped


def main() -> None:
    """Draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("walk", type=Path, help="simulated .bin with its .truth.npz")
    parser.add_argument("real", type=Path, nargs="+", help="MMRGait .MAT files")
    parser.add_argument("--out", type=Path, default=Path("beside.png"))
    chosen = parser.parse_args()
    truth = read_truth(Truth.path_for(chosen.walk))
    panels = [simulated(chosen.walk)]
    panels += [real(path, truth.mean_speed_mps, 2 * truth.stride_hz) for path in chosen.real]
    print(plots.compare_spectrograms(chosen.out, crop(panels)))


if __name__ == "__main__":
    main()
