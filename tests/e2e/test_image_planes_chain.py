"""Three image planes from frames through store, training and identification."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from naive.tones import Path as Track
from naive.tones import Tones, tiny_radar

from radarid import config as configs
from radarid.data.store import GaitStore
from radarid.data.tables import RecordingEntry
from radarid.dsp.clips import cut_clips
from radarid.dsp.params import DspParams
from radarid.dsp.slices import Slices
from radarid.dsp.spectrogram import SpectrogramStream, process
from radarid.learn.config import TrainConfig
from radarid.learn.student_file import load_student
from radarid.learn.trainer import train
from radarid.live.identify import Decider, identify_recording

RADAR = tiny_radar()
SMALL = (
    'recipe="baseline"', "model.input.size=32", 'model.input.channels="stack"',
    "optim.n_epochs=2", "optim.batch_size=8", "optim.lr=1e-3",
)  # fmt: skip


def walk(person: int, take: int) -> Tones:
    """A body at 1.2 m/s and a foot, half a metre ahead, that swings at the person's own rate."""
    rate_hz, phase = 0.8 + 0.6 * person, 0.7 * take
    swing = 2 * np.pi * rate_hz

    def body(time_s: np.ndarray) -> np.ndarray:
        return 2.0 + 1.2 * time_s

    def foot(time_s: np.ndarray) -> np.ndarray:
        return body(time_s) + 0.5 + 1.0 / swing * np.sin(swing * time_s + phase)

    scatterers: list[tuple[float, Track]] = [(800.0, body), (250.0, foot)]
    return Tones(RADAR, 78, scatterers, noise=10.0, seed=10 * person + take)


@pytest.mark.parametrize("kind", ["stack", "multires"])
def test_planes_do_not_depend_on_the_grouping_of_frames(kind: str) -> None:
    params = DspParams(image_size=32, planes=kind)  # type: ignore[arg-type]
    frames = [frame for frame in walk(0, 0) if frame.index not in (20, 21)]
    frames[30].valid[:] = False
    whole = SpectrogramStream(RADAR, params)
    expected = Slices.concatenate([whole.push(frames), whole.flush()])
    one = SpectrogramStream(RADAR, params, n_threads=2)
    found = Slices.concatenate([*(one.push([frame]) for frame in frames), one.flush()])
    assert found.planes.shape == (78 * params.slices_per_frame, 2, 32)
    np.testing.assert_array_equal(found.planes, expected.planes)
    lost = found.valid == 0
    assert lost.sum() == 3 * params.slices_per_frame
    assert not found.planes[lost].any()
    assert (found.planes[~lost].max(axis=2) > 0).all()


@pytest.mark.parametrize("kind", ["stack", "multires"])
def test_planes_reach_the_student_the_same_from_store_and_recording(
    kind: str, tmp_path: Path
) -> None:
    params = DspParams(image_size=32, planes=kind)  # type: ignore[arg-type]
    with GaitStore.create(tmp_path / "gait.h5", RADAR, params) as store:
        for person in range(2):
            for take in range(3):
                slices, axes = process(walk(person, take), params)
                name = f"p{person}w{take}"
                entry = RecordingEntry(
                    name, f"p{person}", "s1", f"w{take}", f"toy:{name}", RADAR, "IIQQ", 78
                )
                store.add_recording(entry, cut_clips(slices, axes, params))
        table = store.table()
        layers = store.read_layers(np.arange(len(table)))
    assert layers.shape[1:] == (3, 32, 32)
    for first, second in ((0, 1), (0, 2), (1, 2)):
        assert (layers[:, first] != layers[:, second]).any(axis=(1, 2)).all()
    train(tmp_path / "gait.h5", tmp_path / "run", configs.load(TrainConfig, "train", None, SMALL))
    student = load_student(tmp_path / "run")
    (found,) = identify_recording(walk(1, 2), Decider(student))
    own = np.flatnonzero(table.recording == 5)  # one by one, as `identify` does: the same bits
    stored = np.concatenate([student.embed(layers[row : row + 1])[1] for row in own])
    assert len(found.clips) == len(stored) == 2
    assert found.identification == student.identify(stored)
