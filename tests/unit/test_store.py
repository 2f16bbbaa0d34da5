"""The gait store: what goes in comes out, to the pixel; what does not belong stays out."""

from __future__ import annotations

import dataclasses
import json
import stat
from pathlib import Path

import h5py
import numpy as np
import pytest

from capture.camera.faces import FaceCrop
from capture.config import RadarConfig
from capture.types import Gap
from radarid.data.store import GaitStore
from radarid.data.tables import RecordingEntry
from radarid.dsp.clips import Clip
from radarid.dsp.params import DspParams
from radarid.errors import StoreError

RADAR = RadarConfig()
DSP = DspParams(image_size=8)


def entry(name: str = "w1", subject: str = "anna", **changes: object) -> RecordingEntry:
    first = RecordingEntry(name, subject, "s1", name, f"sha256:{name}", RADAR, "IIQQ", 60)
    return dataclasses.replace(first, **changes)  # type: ignore[arg-type]


def clip(level: float = 0.5, start_s: float = 0.0, **changes: object) -> Clip:
    image = np.full((8, 8), level, np.float32)
    first = Clip(image=image, valid=np.arange(8) < 6, start_s=start_s, quality=0.75,
                 direction="away", velocity_mps=1.25, range_m=3.5)
    return dataclasses.replace(first, **changes)  # type: ignore[arg-type]


def face(value: int = 7) -> FaceCrop:
    return FaceCrop(np.full((160, 160, 3), value, np.uint8), 0.99, (0.0, 0.0, 1.0, 1.0), 12.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gait.h5"


def test_pixels_are_the_nearest_of_256_levels(path: Path) -> None:
    ramp = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    with GaitStore.create(path, RADAR, DSP) as store:
        store.add_recording(entry(), [clip(image=ramp)])
        stored = store.read_clips([0])[0]
    by_hand = [int(255 * float(level) + 0.5) for level in ramp.ravel()]
    assert stored.dtype == np.uint8
    assert stored.ravel().tolist() == by_hand
    assert stored.ravel()[[0, -1]].tolist() == [0, 255]


def test_rows_come_back_in_the_order_asked(path: Path) -> None:
    with GaitStore.create(path, RADAR, DSP) as store:
        store.add_recording(entry(), [clip(k / 255, k) for k in range(6)])
    with GaitStore.open(path) as store:
        asked = [4, 1, 1, 5, 0, 2]
        assert store.read_clips(asked)[:, 0, 0].tolist() == asked
        assert store.read_clips([]).shape == (0, 8, 8)
        assert store.read_clips(np.array([3]))[0, 0, 0] == 3
        for wrong in (6, -1):
            with pytest.raises(StoreError, match="no such row of clips.*0 to 5"):
                store.read_clips([0, wrong])


def test_tables_say_what_was_put_in(path: Path) -> None:
    gaps = (Gap(100, 1456, "missing packet"),)
    second = entry("w2", "béla", session="s2", gaps=gaps, n_lost_chirps=3, n_rejected_clips=2,
                   evidence={"layout": "one-sided"}, history=("a", "b"))
    with GaitStore.create(path, RADAR, DSP) as store:
        store.add_recording(entry(), [clip(start_s=0.0), clip(start_s=0.5)], [(0.25, face())])
        other = clip(direction="towards", quality=0.5, velocity_mps=-1.0, range_m=2.0)
        store.add_recording(second, [other], [(1.0, face(8)), (2.0, face(9))])
    with h5py.File(path) as raw:
        velocity_mps = raw.attrs["velocity_mps"]
    assert (len(velocity_mps), velocity_mps[0], velocity_mps[-1]) == (8, -4.0, 4.0)
    with GaitStore.open(path) as store:
        table, faces, recordings = store.table(), store.faces(), store.recordings()
        crops = store.read_faces([2, 0])
    assert table.subject.tolist() == ["anna", "anna", "béla"]
    assert table.groups == [("anna", "s1", "w1")] * 2 + [("béla", "s2", "w2")]
    assert table.recording.tolist() == [0, 0, 1]
    assert table.start_s.tolist() == [0.0, 0.5, 0.0]
    assert table.direction.tolist() == ["away", "away", "towards"]
    assert table.quality.tolist() == [0.75, 0.75, 0.5]
    assert table.velocity_mps.tolist() == [1.25, 1.25, -1.0]
    assert table.range_m.tolist() == [3.5, 3.5, 2.0]
    assert table.valid_fraction.tolist() == [6 / 8] * 3
    assert faces.subject.tolist() == ["anna", "béla", "béla"]
    assert faces.recording.tolist() == [0, 1, 1]
    assert faces.time_s.tolist() == [0.25, 1.0, 2.0]
    assert crops[:, 0, 0, 0].tolist() == [9, 7]
    assert recordings == [entry(), second]


def test_an_empty_store_has_empty_tables(path: Path) -> None:
    with GaitStore.create(path, RADAR, DSP) as store:
        assert (len(store.table()), len(store.faces()), store.recordings()) == (0, 0, [])


def test_only_the_owner_can_read_faces(path: Path) -> None:
    GaitStore.create(path, RADAR, DSP).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_endless_gate_is_the_one_that_was_stored(path: Path) -> None:
    endless = dataclasses.replace(DSP, gate_m=float("inf"))
    GaitStore.create(path, RADAR, endless).close()
    with GaitStore.open(path) as store:
        assert store.dsp == endless
        store.require(RADAR, endless)


def test_rows_do_not_count_before_the_recording_is_complete(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with GaitStore.create(path, RADAR, DSP) as store:
        store.add_recording(entry(), [clip(0.0)], [(0.0, face())])

        class Killed(BaseException):
            pass

        def kill(_: object) -> None:
            raise Killed

        monkeypatch.setattr(h5py.File, "flush", kill)  # all rows written, none counted
        with pytest.raises(Killed):
            store.add_recording(entry("w2"), [clip(1.0)] * 3, [(0.0, face())] * 2)
        monkeypatch.undo()
    with h5py.File(path) as raw:
        assert raw["clips/spectrogram"].shape[0] == 4  # or this test tests nothing
    with GaitStore.open(path, "r+") as store:
        assert (store.n_recordings, store.n_clips, store.n_faces) == (1, 1, 1)
        assert len(store.table()) == len(store.faces()) == len(store.recordings()) == 1
        with pytest.raises(StoreError, match="no such row"):
            store.read_clips([1])
        store.add_recording(entry("w3"), [clip(0.2)])
        assert store.table().take.tolist() == ["w1", "w3"]
        assert store.read_clips([0, 1])[:, 0, 0].tolist() == [0, 51]
    with h5py.File(path) as raw:
        assert raw["clips/spectrogram"].shape[0] == 2
        assert raw["faces/crop"].shape[0] == 1


def test_absorbing_appends_and_renumbers(path: Path, tmp_path: Path) -> None:
    with GaitStore.create(tmp_path / "part.h5", RADAR, DSP) as part:
        part.add_recording(entry("w2", "béla"), [clip(0.4)], [(0.5, face(3))])
        part.add_recording(entry("w3", "béla"), [clip(0.6)], [(0.5, face(4))])
        with GaitStore.create(path, RADAR, DSP) as store:
            store.add_recording(entry(), [clip(0.2)] * 2)
            store.absorb(part)
            assert store.table().recording.tolist() == [0, 0, 1, 2]
            assert store.faces().recording.tolist() == [1, 2]
            assert store.read_clips([3, 2])[:, 0, 0].tolist() == [153, 102]
            assert [r.name for r in store.recordings()] == ["w1", "w2", "w3"]


def test_another_waveform_is_refused_by_key(path: Path) -> None:
    steeper = dataclasses.replace(RADAR, slope_hz_per_s=20e12)
    with (
        GaitStore.create(path, RADAR, DSP) as store,
        pytest.raises(StoreError, match=r"slope_hz_per_s: 15015000000000.0 != 20000000000000.0"),
    ):
        store.add_recording(entry(radar=steeper), [clip()])


def test_the_same_waveform_in_another_raw_format_is_welcome(path: Path) -> None:
    swapped = dataclasses.replace(RADAR, iq_order="QI", n_frames=200)
    assert swapped.fingerprint != RADAR.fingerprint
    with GaitStore.create(path, RADAR, DSP) as store:
        store.add_recording(entry(radar=swapped), [clip()])
        assert store.recordings()[0].radar == swapped
        assert store.radar == RADAR


def test_another_processing_is_refused_by_key(path: Path) -> None:
    GaitStore.create(path, RADAR, DSP).close()
    with pytest.raises(StoreError, match="exists already"):
        GaitStore.create(path, RADAR, DSP)
    with pytest.raises(StoreError, match="span_db: 45.0 != 40.0"):
        GaitStore.create(path, RADAR, dataclasses.replace(DSP, span_db=40.0), exist_ok=True)
    with GaitStore.create(path, RADAR, DSP, exist_ok=True) as store:
        assert store.dsp == DSP


@pytest.mark.parametrize("bad", [
    {"image": np.zeros((8, 9), np.float32)},
    {"image": np.full((8, 8), np.nan, np.float32)},
    {"image": np.full((8, 8), 1.01, np.float32)},
])
def test_a_wrong_picture_is_refused_and_nothing_added(path: Path, bad: dict[str, object]) -> None:
    with GaitStore.create(path, RADAR, DSP) as store:
        with pytest.raises(StoreError, match=r"w1: clip (of another size|with pixels outside)"):
            store.add_recording(entry(), [clip(), clip(**bad)])
        assert store.n_recordings == 0


def test_what_is_no_store_is_refused(tmp_path: Path, path: Path) -> None:
    with pytest.raises(StoreError, match="no such store"):
        GaitStore.open(path)
    text = tmp_path / "text.h5"
    text.write_text("not HDF5")
    with pytest.raises(StoreError, match="not an HDF5 file"):
        GaitStore.open(text)
    with h5py.File(tmp_path / "other.h5", "w"):
        pass
    with pytest.raises(StoreError, match="schema version None; expected 2"):
        GaitStore.open(tmp_path / "other.h5")


@pytest.mark.parametrize(("name", "value", "message"), [
    ("schema_version", 1, "schema version 1; expected 2"),
    ("radar_fingerprint", "0" * 16, "radar configuration does not have its fingerprint"),
    ("dsp", json.dumps({"clip_s": 3.0}), "dsp configuration does not have its fingerprint"),
])
def test_changed_attributes_are_noticed(
    path: Path, name: str, value: object, message: str
) -> None:
    GaitStore.create(path, RADAR, DSP).close()
    with h5py.File(path, "r+") as raw:
        raw.attrs[name] = value
    with pytest.raises(StoreError, match=message):
        GaitStore.open(path)


def test_the_readme_s_example_runs(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with GaitStore.create(path, RADAR, DSP) as store:
        store.add_recording(entry(), [clip(1.0)])
        store.add_recording(entry("w2", "béla"), [clip(0.0)] * 2)
    text = (Path(__file__).parents[2] / "data" / "README.md").read_text(encoding="utf-8")
    code = text.split("```python\n")[1].split("```")[0]
    (path.parent / "data").mkdir()
    path.rename(path.parent / "data" / "gait.h5")
    monkeypatch.chdir(path.parent)
    exec(compile(code, "data/README.md", "exec"), {})
    assert capsys.readouterr().out.splitlines() == ["anna w1 255", "béla w2 0", "béla w2 0"]


def test_the_readme_names_every_data_set_and_attribute(path: Path) -> None:
    GaitStore.create(path, RADAR, DSP).close()
    text = (Path(__file__).parents[2] / "data" / "README.md").read_text(encoding="utf-8")
    with h5py.File(path) as raw:
        names = [f"`{name}`" for group in raw.values() for name in group]
        names += [f"`{name}`" for name in raw.attrs]
    assert [name for name in names if name not in text] == []
