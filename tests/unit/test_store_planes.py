"""Further image planes in the store: kept to the pixel, only where there are any."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from capture.config import RadarConfig
from capture.schema import fingerprint
from radarid.data.ingest import ingest
from radarid.data.store import GaitStore
from radarid.data.tables import RecordingEntry
from radarid.dsp.clips import Clip
from radarid.dsp.params import DspParams
from radarid.errors import StoreError

RADAR = RadarConfig()
ONE = DspParams(image_size=8)
STACK = DspParams(image_size=8, planes="stack")


def entry(name: str = "w1") -> RecordingEntry:
    return RecordingEntry(name, "anna", "s1", name, f"sha256:{name}", RADAR, "IIQQ", 60)


def clip(level: int, n_more: int = 2) -> Clip:
    """Levels `level`, `level` + 100 and + 200 of 255 in its planes."""
    layers = [np.full((8, 8), (level + 100 * k) / 255, np.float32) for k in range(3)]
    planes = np.array(layers[1:][:n_more], np.float32).reshape(n_more, 8, 8)
    return Clip(image=layers[0], valid=np.ones(8, bool), start_s=0.0, quality=1.0,
                direction="away", velocity_mps=1.0, range_m=3.0, planes=planes)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gait.h5"


@pytest.mark.parametrize("kind", ["stack", "multires"])
def test_planes_come_back_in_their_places(path: Path, kind: str) -> None:
    with GaitStore.create(path, RADAR, dataclasses.replace(STACK, planes=kind)) as store:
        store.add_recording(entry(), [clip(k) for k in range(5)])
    with GaitStore.open(path) as store:
        layers = store.read_layers([3, 0, 3])
        assert layers.shape == (3, 3, 8, 8)
        assert layers.dtype == np.uint8
        assert layers[:, :, 2, 5].tolist() == [[3, 103, 203], [0, 100, 200], [3, 103, 203]]
        assert np.array_equal(store.read_clips([3, 0, 3]), layers[:, 0])
        assert store.read_layers([]).shape == (0, 3, 8, 8)
        with pytest.raises(StoreError, match="no such row of clips"):
            store.read_layers([5])


def test_a_store_of_one_plane_has_no_others(path: Path) -> None:
    with GaitStore.create(path, RADAR, ONE) as store:
        store.add_recording(entry(), [clip(7, n_more=0)])
        with pytest.raises(StoreError, match=r"one image plane.*planes=stack"):
            store.read_layers([0])
    with h5py.File(path) as raw:
        assert "planes" not in raw["clips"]


@pytest.mark.parametrize(("dsp", "wrong"), [
    (STACK, clip(0, n_more=0)), (STACK, clip(0, n_more=1)), (ONE, clip(0)),
    (STACK, dataclasses.replace(clip(0), planes=np.zeros((2, 8, 9), np.float32))),
    (STACK, dataclasses.replace(clip(0), planes=np.full((2, 8, 8), np.nan, np.float32))),
])  # fmt: skip
def test_planes_that_do_not_fit_are_refused(path: Path, dsp: DspParams, wrong: Clip) -> None:
    with GaitStore.create(path, RADAR, dsp) as store:
        with pytest.raises(StoreError, match="w1: clip (with another number|of another|with pix)"):
            store.add_recording(entry(), [wrong])
        assert store.n_recordings == store.n_clips == 0


def test_absorbing_keeps_planes(path: Path, tmp_path: Path) -> None:
    with (
        GaitStore.create(path, RADAR, STACK) as store,
        GaitStore.create(tmp_path / "part.h5", RADAR, STACK) as part,
        GaitStore.create(tmp_path / "plain.h5", RADAR, ONE) as plain,
    ):
        store.add_recording(entry(), [clip(1)])
        part.add_recording(entry("w2"), [clip(2)])
        store.absorb(part)
        assert store.read_layers([1])[0, :, 0, 0].tolist() == [2, 102, 202]
        with pytest.raises(StoreError, match="planes: 'stack' != 'one'"):
            store.absorb(plain)


def test_pixels_have_their_units(path: Path) -> None:
    GaitStore.create(path, RADAR, dataclasses.replace(STACK, clip_s=1.6)).close()
    with h5py.File(path) as raw:
        # Eight columns of 0.2 s; eight velocities from -4 to 4 m/s; 45 dB over 255 steps.
        assert raw.attrs["time_s"] == pytest.approx(np.arange(0.1, 1.6, 0.2))
        assert raw.attrs["velocity_mps"] == pytest.approx(np.arange(8) * 8 / 7 - 4)
        for name in ("spectrogram", "planes"):
            data = raw["clips"][name]
            assert [axis.label for axis in data.dims][-2:] == ["velocity_mps", "time_s"]
            assert data.attrs["level_db"] * 255 == pytest.approx(45.0)


def test_several_walkers_cannot_be_told_by_name(path: Path) -> None:
    with pytest.raises(StoreError, match=r"several walkers.*max_walkers = 2"):
        GaitStore.create(path, RADAR, dataclasses.replace(ONE, max_walkers=2))
    assert not path.exists()


def test_stores_written_before_there_were_planes_are_read(path: Path) -> None:
    """Their processing lacks the newer keys, which then have their defaults."""
    with GaitStore.create(path, RADAR, ONE) as store:
        store.add_recording(entry(), [clip(9, n_more=0)])
    newer = ("highpass_hz", "background_s", "merge", "planes", "max_walkers", "compat")
    with h5py.File(path, "r+") as raw:
        kept = {k: v for k, v in json.loads(raw.attrs["dsp"]).items() if k not in newer}
        raw.attrs.update(dsp=json.dumps(kept), dsp_fingerprint=fingerprint(kept))
        del raw.attrs["time_s"]
    with GaitStore.open(path, "r+") as store:
        assert store.dsp == ONE
        assert store.read_clips([0])[0, 0, 0] == 9
        assert store.table().take.tolist() == ["w1"]
        store.require(RADAR, ONE)
        store.add_recording(entry("w2"), [clip(8, n_more=0)])
        with pytest.raises(StoreError, match="planes: 'one' != 'stack'"):
            store.require(RADAR, STACK)


def test_ingest_refuses_several_walkers_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="several walkers"):
        ingest([], tmp_path / "gait.h5", DspParams(max_walkers=2))
    assert not list(tmp_path.iterdir())
