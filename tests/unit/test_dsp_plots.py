"""Pictures: small PNG files that show what they should; and the command that draws them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from naive.tones import Tones, moving, tiny_radar
from PIL import Image
from typer.testing import CliRunner

from capture.file.recording import RecordingWriter
from capture.schema import write_toml
from radarid.cli import app
from radarid.dsp import plots
from radarid.dsp.params import DspParams
from radarid.dsp.slices import Slices
from radarid.dsp.spectrogram import process

MAX_BYTES = 200_000


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    radar = tiny_radar(n_samples=128, sample_rate_hz=2.5e6)
    path = tmp_path_factory.mktemp("walk") / "walk.bin"
    scatterers = [
        (300.0, moving(2.0, 1.0)),
        (60.0, lambda t: 2 + t + 0.3 * np.sin(2 * np.pi * t)),
        (2000.0, moving(6.0, 0.0)),
    ]
    with RecordingWriter(path, radar) as writer:
        for frame in Tones(radar, 92, scatterers, noise=30.0):
            writer.write(frame)
    write_toml(path.with_suffix(".toml"), radar)
    return path


def test_plot_draws_every_stage(recording: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["plot", str(recording), "--out", str(tmp_path), "--json"])
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report["n_frames"] == 92
    assert report["n_slices"] == 368
    assert report["slow_time"] == "frame"
    assert report["n_clips"] == 3  # 3.04 s hold clips of 2 s at 0, 0.5 and 1 s
    assert report["walker_present"] == 1
    names = {Path(picture).name for picture in report["pictures"]}
    assert names == {"walk.range.png", "walk.doppler.png", "walk.clips.png"}
    for picture in report["pictures"]:
        assert Path(picture).stat().st_size < MAX_BYTES
        assert len(np.unique(np.asarray(Image.open(picture).convert("RGB")).reshape(-1, 3), axis=0)
                   ) > 50  # fmt: skip


def test_plot_takes_overrides_and_refuses_wrong_ones(recording: Path, tmp_path: Path) -> None:
    arguments = ["plot", str(recording), "--out", str(tmp_path), "--json", "--set"]
    done = CliRunner().invoke(app, [*arguments, "slices_per_frame=2"])
    assert json.loads(done.stdout)["n_slices"] == 184
    wrong = CliRunner().invoke(app, [*arguments, "slices=2"])
    assert wrong.exit_code != 0
    assert "unknown key 'slices'" in str(wrong.exception)


def test_plot_without_a_radar_configuration_says_what_to_do(tmp_path: Path) -> None:
    alone = tmp_path / "alone.bin"
    alone.write_bytes(bytes(4096))
    done = CliRunner().invoke(app, ["plot", str(alone), "--out", str(tmp_path)])
    assert done.exit_code != 0
    assert "--radar" in str(done.exception)


def test_lost_time_is_grey_not_black(tmp_path: Path) -> None:
    images = [np.where(np.arange(32) < 16, np.nan, 0.0) * np.ones((32, 1))]
    path = plots.contact_sheet(tmp_path / "sheet.png", images, ["half"], "title")
    colours = np.asarray(Image.open(path).convert("RGB")).reshape(-1, 3)
    grey = (np.abs(colours.astype(int) - [0xB8, 0xC4, 0xCC]).max(axis=1) < 6).sum()
    black = (colours.max(axis=1) < 12).sum()
    assert grey > 1000
    assert black == pytest.approx(grey, rel=0.2)


def count_near(path: Path, color: str) -> int:
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    wanted = [int(color[k : k + 2], 16) for k in (1, 3, 5)]
    return int((np.abs(pixels - wanted).max(axis=2) < 12).sum())


def test_every_walker_has_a_colour_and_a_gap_where_nobody_is(tmp_path: Path) -> None:
    params = DspParams()
    walker = [(300.0, moving(2.0, 1.0))]
    slices, axes = process(Tones(tiny_radar(), 40, walker, noise=30.0), params)
    n = len(slices)
    steps = {"frame_time_s": slices.frame_time_s, "range_energy": slices.range_energy}
    first, second = plots._TRACKS[:2]
    counts = []
    for shown in (0, n // 2, n):
        presence = np.where(np.arange(n) < shown, 20.0, 0.0).astype(np.float32)
        other = replace(
            slices, track=np.ones(n, np.int32), range_m=np.full(n, 7.0, np.float32),
            presence_db=presence,
        )  # fmt: skip
        both = replace(Slices.concatenate([slices, other]), **steps)
        path = plots.range_time(tmp_path / "both.png", both, axes, params, "two walkers")
        assert count_near(path, first) > 500
        counts.append(count_near(path, second))
    legend, half, whole = counts
    assert whole - legend > 1000
    assert half - legend == pytest.approx((whole - legend) / 2, rel=0.1)


def test_spectrograms_side_by_side(tmp_path: Path) -> None:
    level = np.random.default_rng(9).normal(0, 10, (64, 100))
    axes = np.linspace(0, 2, 100), np.linspace(-4, 4, 64)
    path = plots.compare_spectrograms(
        tmp_path / "both.png", [("simulated", *axes, level), ("real", *axes, level + 120)]
    )
    assert path.stat().st_size < MAX_BYTES
    assert Image.open(path).height > 400


def test_title_tells_the_waveform() -> None:
    text = plots.describe(tiny_radar())
    assert "77." in text
    assert "230 chirps every 120 us in 33 ms" in text
    assert DspParams().span_db == 45
