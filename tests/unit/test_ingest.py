"""Ingest: walkers of known path through real files into the store, with bad files among them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner
from walk_files import DSP, N_FRAMES, RADAR, content, recordings, write_three, write_walk

from capture.file.sidecar import Sidecar, write_sidecar
from capture.schema import write_toml
from capture.types import AdcFrame
from radarid.cli import app
from radarid.data import ingest as module
from radarid.data.frame_count import FrameCount
from radarid.data.ingest import ingest
from radarid.data.manifest import FactFinder
from radarid.data.sources import raw_files
from radarid.data.store import GaitStore
from radarid.errors import StoreError


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_three(tmp_path_factory.mktemp("raw"))


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
    assert (count.n_frames, count.n_chirps) == (7, 7 * 64)
    assert count.n_lost_chirps == 4 * 64 + 6  # 0, 1, 4, 5 are missing
