"""Damaged stores by the thousand: refused with an error or read as they were, never fatal."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import h5py
import mutated_stores
import pytest
from toy_store import make_store

from radarid.data import store as store_module
from radarid.data.store import GaitStore
from radarid.errors import StoreError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return make_store(tmp_path / "gait.h5", 2, 2, 2, size=16, n_faces=1)


def outcomes(path: Path, n: int) -> Counter[str]:
    done = subprocess.run([sys.executable, mutated_stores.__file__, str(path), str(n)],
                          capture_output=True, text=True, check=False)  # fmt: skip
    lines = done.stdout.splitlines()
    assert done.returncode == 0, (done.returncode, lines[-1:], done.stderr[-2000:])
    return Counter(line.partition(" ")[2] for line in lines)


def test_damage_is_refused(tmp_path: Path) -> None:
    path = make_store(tmp_path / "gait.h5", 2, 2, 2, size=16, n_faces=0)
    found = outcomes(path, 1000)
    assert sum(found.values()) == 1000
    assert found["refused"] > 900
    # What is read otherwise is text that stands in one place only and has no checksum in HDF5.
    assert found["otherwise"] < 15, found


def test_a_loop_in_a_group_of_the_older_format_is_no_way_to_kill_the_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its tree of names leads to itself: HDF5 dies of it where names are listed."""
    monkeypatch.setattr(store_module, "FORMAT", "earliest")
    old = make_store(tmp_path / "old.h5", 2, 2, 2, size=16, n_faces=1)
    with GaitStore.open(old) as store:
        assert len(store.recordings()) == 4
    raw = bytearray(old.read_bytes())
    place, n = -1, 0
    while (place := raw.find(b"TREE\0", place + 1)) >= 0:  # trees of names, not of rows
        raw[place + 5] = 1
        raw[place + 32 : place + 40] = place.to_bytes(8, "little")
        n += 1
    assert n >= 4
    old.write_bytes(raw)
    with pytest.raises(StoreError, match="damaged"):
        GaitStore.open(old)


@pytest.mark.parametrize(("group", "name", "value"), [
    ("clips", "subject", "p9"), ("clips", "take", "w9"), ("faces", "subject", "p9"),
    ("clips", "recording", 99),
])  # fmt: skip
def test_rows_of_somebody_else_than_their_recording_says(
    path: Path, group: str, name: str, value: object
) -> None:
    with h5py.File(path, "r+") as file:
        file[f"{group}/{name}"][1] = value
    with GaitStore.open(path) as store, pytest.raises(StoreError, match="damaged"):
        (store.table if group == "clips" else store.faces)()


def test_a_text_that_is_said_to_be_longer_than_the_file_takes_no_memory(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        rows = file["recordings/history"].id
        mask, references = rows.read_direct_chunk((0,))
        rows.write_direct_chunk((0,), b"\xff\xff\xff\x7f" + references[4:], mask)
    with pytest.raises(StoreError, match=r"21474\d+ bytes of text"):
        GaitStore.open(path)


def test_a_heap_of_text_that_leads_nowhere_is_not_walked(path: Path) -> None:
    """HDF5 does not come back from it."""
    raw, endless = path.read_bytes(), 2**64 - 16  # a step of 0
    places = [found.start() + 16 for found in re.finditer(b"GCOL", raw)]
    assert len(places) > 1
    for place in places:
        path.write_bytes(raw[: place + 8] + endless.to_bytes(8, "little") + raw[place + 16 :])
        with pytest.raises(StoreError, match=f"a text of {endless} bytes at byte {place}"):
            GaitStore.open(path)


@pytest.mark.parametrize("n_clips", [-1, 10**12, "many"])
def test_impossible_counts(path: Path, n_clips: object) -> None:
    with h5py.File(path, "r+") as file:
        file.attrs["n_clips"] = n_clips
    with pytest.raises(StoreError, match="damaged"):
        GaitStore.open(path)


def test_other_things_in_the_place_of_text(path: Path) -> None:
    """To numpy they are objects, too; read as text they can kill."""
    with h5py.File(path, "r+") as file:
        del file["recordings/name"]
        file.create_dataset("recordings/name", (4,), h5py.vlen_dtype("f8"), maxshape=(None,))
    with pytest.raises(StoreError, match="recordings/name"):
        GaitStore.open(path)
