"""Ingest: walkers of known path through real files into the store, with kills and bad files."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import psutil
import pytest
from typer.testing import CliRunner

from capture.config import C_MPS, RadarConfig
from capture.faces import FaceCrop
from capture.file import RecordingWriter
from capture.layouts import default_layout, encode
from capture.schema import write_toml
from capture.sidecar import Sidecar, write_sidecar
from capture.types import AdcFrame
from radarid.cli import app
from radarid.data import ingest as module
from radarid.data.ingest import IngestParams, ingest
from radarid.data.manifest import FactFinder
from radarid.data.process import FrameCount, sharpest
from radarid.data.sources import RawFiles, raw_files
from radarid.data.store import GaitStore
from radarid.dsp.params import DspParams
from radarid.errors import StoreError

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


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw")
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


@pytest.fixture(scope="module")
def whole(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An uninterrupted store of the three walks."""
    out = tmp_path_factory.mktemp("whole") / "gait.h5"
    report = ingest(recordings(raw, "w1", "w2", "w3"), out, DSP)
    assert [o.status for o in report.outcomes] == ["done"] * 3, report
    return out


def test_the_store_tells_what_walked(whole: Path, raw: Path) -> None:
    with GaitStore.open(whole) as store:
        table, entries = store.table(), store.recordings()
        images = store.read_clips(np.arange(store.n_clips)).astype(float)
    assert table.subject.tolist() == ["anna"] * 3 + ["bob"] * 3 + ["anna"] * 3
    assert table.session.tolist() == ["day1"] * 6 + ["day2"] * 3
    assert table.take.tolist() == ["w1"] * 3 + ["w2"] * 3 + ["w3"] * 3
    assert table.start_s.tolist() == [0.0, 0.25, 0.5] * 3
    assert table.direction.tolist() == ["away"] * 3 + ["towards"] * 3 + ["away"] * 3
    middle_s = table.start_s + DSP.clip_s / 2
    start_m, speed_mps = np.repeat([[2.0, 4.0, 3.0], [1.3, -1.0, 1.0]], 3, axis=1)
    bin_m = RADAR.sample_rate_hz * RADAR.range_per_hz_m / RADAR.n_samples
    assert np.abs(table.range_m - (start_m + speed_mps * middle_s)).max() < bin_m / 2
    velocity = np.linspace(-DSP.max_velocity_mps, DSP.max_velocity_mps, 32)
    brightest = velocity[images.mean(axis=2).argmax(axis=1)]
    assert np.abs(brightest - speed_mps).max() < 8 / 31 / 2 + 1e-6  # half a pixel of 8 m/s
    assert [e.name for e in entries] == ["w1", "w2", "w3"]
    assert [e.n_frames for e in entries] == [N_FRAMES] * 3
    assert [e.n_lost_chirps for e in entries] == [0] * 3
    digest = hashlib.sha256((raw / "w2.bin").read_bytes()).hexdigest()
    assert entries[1].content_id == f"sha256:{digest}"
    assert entries[1].layout == "IIQQ"
    assert "ingested" in entries[1].history[0]


def test_a_second_run_skips_and_leaves_the_file_alone(whole: Path, raw: Path) -> None:
    before = whole.read_bytes()
    report = ingest(recordings(raw, "w1", "w2", "w3"), whole, DSP)
    assert [o.status for o in report.outcomes] == ["skipped"] * 3
    assert whole.read_bytes() == before
    assert sorted(p.name for p in whole.parent.iterdir()) == ["gait.h5"]


def test_walks_added_later_come_after(whole: Path, raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "gait.h5"
    ingest(recordings(raw, "w1"), out, DSP)
    report = ingest(recordings(raw, "w1", "w2", "w3"), out, DSP)
    assert [o.status for o in report.outcomes] == ["skipped", "done", "done"]
    assert content(out) == content(whole)
    assert out.stat().st_mode & 0o777 == 0o600


def test_the_number_of_processes_changes_nothing(whole: Path, raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "gait.h5"
    ingest(recordings(raw, "w1", "w2", "w3"), out, DSP, n_workers=2)
    assert content(out) == content(whole)


def test_bad_files_are_named_and_the_others_go_on(whole: Path, raw: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bad"
    short, nobody = (write_walk(folder, name) for name in ("short", "nobody"))
    short.write_bytes(short.read_bytes()[:100])
    Sidecar.path_for(nobody).unlink()
    out = tmp_path / "gait.h5"
    wanted = [
        *recordings(folder, "short"), *recordings(raw, "w1"),
        *recordings(folder, "nobody", "missing"), *recordings(raw, "w2", "w3"),
    ]
    report = ingest(wanted, out, DSP)
    assert [o.status for o in report.outcomes] == [
        "failed", "done", "failed", "failed", "done", "done"
    ]
    assert "too short for one frame" in report.failed[0].reason
    assert "nobody says who walked" in report.failed[1].reason
    assert "missing.bin" in report.failed[2].reason
    assert content(out) == content(whole)


def test_the_manifest_s_radar_comes_before_the_common_one_before_the_one_beside(
    tmp_path: Path
) -> None:
    path = write_walk(tmp_path, "w1")
    manifested, common = (dataclasses.replace(RADAR, n_frames=n) for n in (7, 8))
    write_toml(tmp_path / "manifested.cfg.toml", manifested)
    row = {path: {"subject": "anna", "radar": str(tmp_path / "manifested.cfg.toml")}}
    for finder, radar, expected in (
        (FactFinder(manifest=row), common, manifested),
        (FactFinder(), common, common),
        (FactFinder(), None, RADAR),
    ):
        (recording,) = raw_files([path], finder, radar)
        assert recording.identify().radar == expected


def test_nothing_good_makes_no_store(tmp_path: Path) -> None:
    report = ingest(recordings(tmp_path, "none"), tmp_path / "gait.h5", DSP)
    assert len(report.failed) == 1
    assert list(tmp_path.iterdir()) == []


def test_split_files_give_the_same_clips(whole: Path, raw: Path, tmp_path: Path) -> None:
    data = (raw / "w1.bin").read_bytes()
    chirp_bytes = 2 * RADAR.words_per_chirp
    cut = 10 * RADAR.frame_bytes + 5 * chirp_bytes + 12  # inside a chirp
    (tmp_path / "w_Raw_0.bin").write_bytes(data[:cut])
    (tmp_path / "w_Raw_1.bin").write_bytes(data[cut:])
    write_toml(tmp_path / "radar.toml", RADAR)
    finder = FactFinder(subject="anna")
    files = raw_files([tmp_path / "w_Raw_1.bin", tmp_path / "w_Raw_0.bin"], finder)
    report = ingest(files, tmp_path / "gait.h5", DSP)
    assert [(o.name, o.status) for o in report.outcomes] == [("w", "done")]
    with GaitStore.open(tmp_path / "gait.h5") as split, GaitStore.open(whole) as store:
        assert np.array_equal(split.read_clips([0, 1, 2]), store.read_clips([0, 1, 2]))
        assert split.recordings()[0].content_id == store.recordings()[0].content_id


def test_the_same_bytes_enter_once(raw: Path, tmp_path: Path) -> None:
    for name, subject in {"copy": "anna", "wrong": "eve"}.items():
        (tmp_path / f"{name}.bin").write_bytes((raw / "w1.bin").read_bytes())
        facts = Sidecar(subject=subject, session="day1", take="w1")
        write_sidecar(tmp_path / f"{name}.json", facts)
    write_toml(tmp_path / "radar.toml", RADAR)
    out = tmp_path / "gait.h5"
    wanted = [*recordings(raw, "w1"), *recordings(tmp_path, "copy", "wrong")]
    report = ingest(wanted, out, DSP)
    assert [o.status for o in report.outcomes] == ["done", "skipped", "failed"]
    assert "another walk: anna / day1 / w1; got eve / day1 / w1" in report.failed[0].reason
    again = ingest(wanted, out, DSP)
    assert [o.status for o in again.outcomes] == ["skipped", "skipped", "failed"]


def test_another_waveform_fails_by_key_before_it_is_processed(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steeper = dataclasses.replace(RADAR, slope_hz_per_s=30e12)
    write_walk(tmp_path, "steep", radar=steeper)
    wanted = [*recordings(raw, "w1"), *recordings(tmp_path, "steep")]
    report = ingest(wanted, tmp_path / "gait.h5", DSP)
    assert [o.status for o in report.outcomes] == ["done", "failed"]
    assert "slope_hz_per_s: 15015000000000.0 != 30000000000000.0" in report.failed[0].reason
    monkeypatch.setattr(module, "process", None)
    report = ingest(recordings(tmp_path, "steep"), tmp_path / "gait.h5", DSP)
    assert "slope_hz_per_s" in report.failed[0].reason


def test_another_processing_is_refused_at_once(whole: Path, raw: Path) -> None:
    with pytest.raises(StoreError, match="hop_s: 0.25 != 0.5"):
        ingest(recordings(raw, "w1"), whole, dataclasses.replace(DSP, hop_s=0.5))
    assert sorted(p.name for p in whole.parent.iterdir()) == ["gait.h5"]


def test_losses_are_counted_and_told(tmp_path: Path) -> None:
    lost_chirps = 10 * RADAR.n_chirps  # frames 5 to 14
    start, length = (k * RADAR.frame_bytes for k in (5, 10))
    write_walk(tmp_path, "w1", lost=((start, length),))
    report = ingest(recordings(tmp_path, "w1"), tmp_path / "gait.h5", DSP)
    with GaitStore.open(tmp_path / "gait.h5") as store:
        (entry,), table = store.recordings(), store.table()
        valid = store.read_valid(np.arange(store.n_clips))
    assert entry.n_lost_chirps == lost_chirps
    assert [(gap.start_byte, gap.n_bytes) for gap in entry.gaps] == [(start, length)]
    assert "16.7% of the chirps were lost" in report.done[0].warnings  # 10 of 60 frames
    assert entry.n_rejected_clips + len(table) == 3
    assert np.allclose(table.valid_fraction, valid.mean(axis=1))
    assert 0.5 in table.start_s.tolist()
    assert table.valid_fraction[table.start_s == 0.5] == 1


# -- interruptions --------------------------------------------------------------------------


def test_an_interrupted_run_goes_on_where_it_stopped(
    whole: Path, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "gait.h5"
    worked: list[str] = []
    original = module.process

    def stop_at_w2(recording: RawFiles, *rest: object) -> object:
        worked.append(recording.name)
        if worked == ["w1", "w2"]:
            raise KeyboardInterrupt
        return original(recording, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "process", stop_at_w2)
    with pytest.raises(KeyboardInterrupt):
        ingest(recordings(raw, "w1", "w2", "w3"), out, DSP)
    assert not out.exists()
    report = ingest(recordings(raw, "w1", "w2", "w3"), out, DSP)
    assert worked == ["w1", "w2", "w2", "w3"]
    assert [o.status for o in report.outcomes] == ["done"] * 3
    assert content(out) == content(whole)
    assert [p.name for p in tmp_path.iterdir()] == ["gait.h5"]


@pytest.mark.parametrize("moment", ["absorb", "fsync", "replace"])
def test_a_run_stopped_while_writing_leaves_the_old_store(
    moment: str, whole: Path, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "gait.h5"
    ingest(recordings(raw, "w1"), out, DSP)
    before = content(out)
    n_calls = 0

    def stop(*_: object) -> None:
        nonlocal n_calls
        n_calls += 1
        raise KeyboardInterrupt

    targets = {"absorb": (GaitStore, "absorb"), "fsync": (os, "fsync")}
    if moment == "replace":
        replace = Path.replace
        monkeypatch.setattr(
            Path, "replace", lambda a, b: stop() if b == out else replace(a, b)
        )
    else:
        monkeypatch.setattr(*targets[moment], stop)
    with pytest.raises(KeyboardInterrupt):
        ingest(recordings(raw, "w1", "w2", "w3"), out, DSP)
    assert n_calls == 1
    assert content(out) == before
    monkeypatch.undo()
    monkeypatch.setattr(module, "process", None)  # the parts are enough
    ingest(recordings(raw, "w1", "w2", "w3"), out, DSP)
    assert content(out) == content(whole)
    assert [p.name for p in tmp_path.iterdir()] == ["gait.h5"]


KILLED = """
import sys, time, dataclasses
from pathlib import Path
sys.path.insert(0, {tests!r})
from unit import test_ingest as t
original = t.module.process
def hang(recording, *rest):
    if recording.name == "w3":
        Path({marker!r}).touch()
        time.sleep(600)
    return original(recording, *rest)
t.module.process = hang
t.ingest(t.recordings(Path({raw!r}), "w1", "w2", "w3"), Path({out!r}), t.DSP)
"""


def test_a_killed_process_loses_nothing_that_was_finished(
    whole: Path, raw: Path, tmp_path: Path
) -> None:
    out, marker = tmp_path / "gait.h5", tmp_path / "hanging"
    tests = str(Path(__file__).parents[1])
    code = KILLED.format(tests=tests, marker=str(marker), raw=str(raw), out=str(out))
    victim = subprocess.Popen([sys.executable, "-c", code])
    while not marker.exists():
        assert victim.poll() is None
        time.sleep(0.05)
    os.kill(victim.pid, signal.SIGKILL)
    victim.wait()
    marker.unlink()
    parts = tmp_path / "gait.h5.parts"
    assert len(list(parts.glob("*.h5"))) == 2
    assert all(p.stat().st_mode & 0o077 == 0 for p in (parts, *parts.iterdir()))
    ingest(recordings(raw, "w1", "w2", "w3"), out, DSP)
    assert content(out) == content(whole)


ORPHANS = """
import os, sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
from unit import test_ingest as t
from radarid.data.pool import Workers
with Workers(2) as workers:
    list(workers.map(t.tell_and_wait, [{folder!r}] * 2))
"""


def tell_and_wait(folder: str) -> None:
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(600)


def test_workers_die_with_a_killed_parent(tmp_path: Path) -> None:
    tests = str(Path(__file__).parents[1])
    code = ORPHANS.format(tests=tests, folder=str(tmp_path))
    parent = subprocess.Popen([sys.executable, "-c", code])
    while len(list(tmp_path.iterdir())) < 2:
        assert parent.poll() is None
        time.sleep(0.05)
    workers = [psutil.Process(int(path.name)) for path in tmp_path.iterdir()]
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    _, alive = psutil.wait_procs(workers, timeout=60)
    for worker in alive:
        worker.kill()
    assert not alive


def test_two_at_once_are_refused(raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "gait.h5"
    with (
        module._locked(tmp_path / "gait.h5.parts"),
        pytest.raises(StoreError, match="another ingest is writing"),
    ):
        ingest(recordings(raw, "w1"), out, DSP)
    ingest(recordings(raw, "w1"), out, DSP)


# -- faces ----------------------------------------------------------------------------------


def crop(sharpness: float) -> FaceCrop:
    image = np.full((160, 160, 3), int(sharpness), np.uint8)
    return FaceCrop(image, 0.99, (0.0, 0.0, 9.0, 9.0), sharpness)


def test_the_sharpest_face_of_each_stretch_is_kept() -> None:
    faces = [(0.1 * k, crop(value)) for k, value in enumerate([1, 5, 2, 9, 8, 7, 3, 3, 4])]
    assert [face.sharpness for _, face in sharpest(faces, 3)] == [5, 9, 4]
    assert sharpest(faces, 9) == faces
    assert sharpest([], 3) == []


@pytest.fixture
def filmed(tmp_path: Path) -> Path:
    import cv2

    folder = tmp_path / "raw"
    write_walk(folder, "w1", camera="film", camera_offset_s=0.25)
    (folder / "film").mkdir()
    for k in range(30):
        cv2.imwrite(str(folder / "film" / f"{k}.png"), np.full((40, 40, 3), k, np.uint8))
    return folder


def test_faces_come_with_the_radar_s_time(
    filmed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import capture.faces

    seen: list[int] = []

    def crop_stream(camera: object, *, every_n: int) -> list[tuple[float, FaceCrop]]:
        seen.append(every_n)
        pictures = list(camera)[::every_n]  # type: ignore[call-overload]
        return [(time_s, crop(float(image[0, 0, 0]))) for time_s, image in pictures]

    monkeypatch.setattr(capture.faces, "crop_stream", crop_stream)
    params = IngestParams(max_faces=5, looks_per_face=2)
    out = tmp_path / "gait.h5"
    report = ingest(recordings(filmed, "w1"), out, DSP, params)
    assert seen == [3]  # 30 pictures, 5 x 2 looks
    assert (report.done[0].n_faces, report.done[0].warnings) == (5, ())
    with GaitStore.open(out) as store:
        faces, crops = store.faces(), store.read_faces(range(5))
    # pictures 0 3 .. 27 at 10 a second; the later of two is the "sharper": 3 9 15 21 27
    assert crops[:, 0, 0, 0].tolist() == [3, 9, 15, 21, 27]
    assert np.allclose(faces.time_s, np.array([0.3, 0.9, 1.5, 2.1, 2.7]) + 0.25)
    assert set(faces.subject.tolist()) == {"anna"}


def test_a_film_without_a_face_is_told_and_a_missing_one_fails(
    filmed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import capture.faces

    monkeypatch.setattr(capture.faces, "crop_stream", lambda *_, **__: [])
    report = ingest(recordings(filmed, "w1"), tmp_path / "a.h5", DSP)
    assert report.done[0].warnings == ("no face was found",)
    for picture in (filmed / "film").iterdir():
        picture.unlink()
    report = ingest(recordings(filmed, "w1"), tmp_path / "b.h5", DSP)
    assert "no picture in the folder" in report.failed[0].reason
    blind = IngestParams(faces=False)
    report = ingest(recordings(filmed, "w1"), tmp_path / "b.h5", DSP, blind)
    assert report.done[0].warnings == ()


# -- the command ----------------------------------------------------------------------------

SMALL = [f"--set={key}={getattr(DSP, key)}"
         for key in ("clip_s", "hop_s", "image_size", "window_chirps")]


def test_the_command_reports_and_exits(whole: Path, raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "gait.h5"
    files = [str(raw / f"{name}.bin") for name in ("w1", "w2", "w3")]
    command = ["ingest", "--out", str(out), "--jobs", "1", "--json", *SMALL]
    first = CliRunner().invoke(app, [*command, *files])
    assert first.exit_code == 0, first.output
    told = json.loads(first.stdout)
    assert [o["n_clips"] for o in told["done"]] == [3, 3, 3]
    assert content(out) == content(whole)
    second = CliRunner().invoke(app, [*command, *files, str(tmp_path / "no.bin")])
    assert second.exit_code == 1
    told = json.loads(second.stdout)
    assert {key: len(told[key]) for key in ("done", "skipped", "failed")} == {
        "done": 0, "skipped": 3, "failed": 1
    }
    assert "no.bin" in told["failed"][0]["reason"]


def test_the_command_names_walkers_by_option(raw: Path, tmp_path: Path) -> None:
    Path(tmp_path / "x.bin").write_bytes((raw / "w1.bin").read_bytes())
    out = tmp_path / "gait.h5"
    radar = tmp_path / "elsewhere" / "r.toml"
    radar.parent.mkdir()
    write_toml(radar, RADAR)
    done = CliRunner().invoke(app, [
        "ingest", str(tmp_path / "x.bin"), "--out", str(out), "-j", "1", "--subject", "eve",
        "--session", "d", "--take", "t", "--radar", str(radar), *SMALL,
    ])
    assert done.exit_code == 0, done.output
    assert "1 done, 0 skipped, 0 failed" in done.stdout
    with GaitStore.open(out) as store:
        assert store.table().groups == [("eve", "d", "t")] * 3


def test_what_counts_frames_counts_missing_ones() -> None:
    frames = [
        AdcFrame(
            RADAR, "IIQQ", index, index * 0.02, np.zeros((64, 1), np.int16),
            np.arange(64) >= n_lost,
        )
        for index, n_lost in ((2, 0), (3, 5), (6, 1))
    ]
    count = FrameCount()
    assert list(count.through(frames)) == frames
    assert (count.n_frames, count.n_lost_chirps) == (7, 4 * 64 + 6)  # 0, 1, 4, 5 are missing
