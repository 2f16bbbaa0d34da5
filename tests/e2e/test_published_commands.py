"""`--compat` from raw files to pictures, stores and students' input."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from naive.tones import Tones, moving, tiny_radar
from PIL import Image
from typer.testing import CliRunner

from capture.file.recording import RecordingWriter, open_recording
from capture.schema import write_toml
from radarid.cli import app
from radarid.dsp.clips import cut_clips
from radarid.dsp.compat import clips_of
from radarid.dsp.params import DspParams
from radarid.dsp.spectrogram import process
from radarid.errors import StoreError

RADAR = tiny_radar()


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("walk") / "walk.bin"
    with RecordingWriter(path, RADAR) as writer:
        for frame in Tones(RADAR, 112, [(500.0, moving(1.4, 1.3))], noise=20.0):
            writer.write(frame)
    write_toml(path.with_suffix(".toml"), RADAR)
    return path


@pytest.mark.parametrize(("name", "n_images"), [("gaitsada", 1), ("paper", 4)])
def test_plot_draws_both_axes(recording: Path, tmp_path: Path, name: str, n_images: int) -> None:
    arguments = ["plot", str(recording), "--out", str(tmp_path), "--compat", name, "--json"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report["n_frames"] == 112
    assert report["n_images"] == len(report["pictures"]) == n_images
    assert report["published_velocity_error"] == pytest.approx(-0.1636, abs=1e-4)
    for picture in report["pictures"]:
        assert Path(picture).stat().st_size < 200_000
        pixels = np.asarray(Image.open(picture).convert("RGB")).reshape(-1, 3)
        assert len(np.unique(pixels, axis=0)) > 50
    refused = CliRunner().invoke(app, [*arguments, "--sync"])
    assert refused.exit_code == 2


@pytest.mark.parametrize(("name", "n_clips", "fastest"), [("gaitsada", 1, -4.03),
                                                           ("paper", 4, -8.06)])  # fmt: skip
def test_ingest_keeps_the_chain_s_images_with_their_true_axes(
    recording: Path, tmp_path: Path, name: str, n_clips: int, fastest: float
) -> None:
    store = tmp_path / "gait.h5"
    arguments = ["ingest", str(recording), "--subject", "anna", "--session", "d1", "--take", "w1",
                 "--no-faces", "--out", str(store), "--jobs", "1", "--json"]  # fmt: skip
    done = CliRunner().invoke(app, [*arguments, "--compat", name])
    assert done.exit_code == 0, done.output
    params = DspParams(compat=name)  # type: ignore[arg-type]
    clips, n_rejected = clips_of(open_recording(recording, RADAR), RADAR, params)
    assert (len(clips), n_rejected) == (n_clips, 0)
    with h5py.File(store) as file:
        assert json.loads(file.attrs["dsp"])["compat"] == name
        assert file.attrs["velocity_mps"][0] == pytest.approx(fastest, abs=0.02)
        stored = file["clips/spectrogram"][:]
    expected = np.stack([clip.image for clip in clips])
    assert np.abs(stored / 255 - expected).max() <= 0.5 / 255 + 1e-6
    # The engine's clips and a published chain's never share a store.
    with pytest.raises(StoreError, match="compat"):
        CliRunner().invoke(app, arguments, catch_exceptions=False)


def test_without_compat_the_engine_s_clips_come(recording: Path) -> None:
    source = open_recording(recording, RADAR)
    clips, n_rejected = clips_of(source, RADAR, DspParams())
    expected = cut_clips(*process(source, DspParams()), DspParams())
    assert len(clips) + n_rejected == 4  # of 2 s, at 0, 0.5, 1 and 1.5 s of 3.7 s
    assert [clip.image.tobytes() for clip in clips] == [c.image.tobytes() for c in expected]
