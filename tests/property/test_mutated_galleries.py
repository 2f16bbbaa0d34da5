"""Damaged and forged galleries by the thousand: refused with an error, or exactly as written."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from galleries import Crowd, gallery

from radarid.errors import GalleryError
from radarid.live.gallery_file import create_gallery, holds_more, read_gallery
from radarid.live.matcher import Matcher


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    crowd = Crowd(np.random.default_rng(0))
    path = tmp_path_factory.mktemp("galleries") / "g.h5"
    create_gallery(path, gallery(crowd, {"anna": crowd.person(), "bob": crowd.person()}))
    return path


def mutate(raw: bytes, rng: np.random.Generator, first: int = 0) -> bytes:
    """One to four changes of bytes and lengths, from byte `first` on."""
    data = bytearray(raw)
    for kind in rng.choice(["flip", "cut", "insert", "zero", "number"], rng.integers(1, 5)):
        place, amount = int(rng.integers(first, len(data))), int(rng.integers(1, 300))
        if kind == "flip":
            data[place] ^= amount % 255 + 1
        elif kind == "cut":
            del data[place : place + amount]
        elif kind == "insert":
            data[place:place] = rng.bytes(amount)
        elif kind == "zero":
            data[place : place + amount] = bytes(len(data[place : place + amount]))
        else:  # a length or an address that is far too large
            data[place : place + 8] = b"\xff" * len(data[place : place + 8])
    return bytes(data)


def test_no_damage_passes(path: Path, tmp_path: Path) -> None:
    raw, damaged = path.read_bytes(), tmp_path / "d.h5"
    for seed in range(1000):
        data = mutate(raw, np.random.default_rng(seed))
        if data == raw:
            continue
        damaged.write_bytes(data)
        with pytest.raises(GalleryError):
            read_gallery(damaged)


def forged(raw: bytes, seed: int) -> bytes:
    """A gallery with mutations behind its checksum, and a checksum that fits them."""
    rng = np.random.default_rng(seed)
    body = mutate(raw[81:], rng)
    if seed % 4:  # most of them in the index
        body = mutate(raw[81:4096], rng) + raw[4096:]
    if seed % 4 == 1:  # and of these, some in its numbers only
        index = bytearray(raw[81:])
        digits = np.flatnonzero([chr(byte).isdigit() for byte in index[:4096]])
        for place in rng.choice(digits, 3):
            index[place] = ord(rng.choice(list("0123456789.-e")))
        body = bytes(index)
    return raw[:16] + hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def test_no_forgery_crashes_or_hangs_the_reader(path: Path, tmp_path: Path) -> None:
    raw, out, n_read = path.read_bytes(), tmp_path / "f.h5", 0
    for seed in range(1000):
        out.write_bytes(forged(raw, seed))
        try:
            found = Matcher(read_gallery(out)).scores(np.ones((1, 16)))
        except GalleryError:
            continue
        assert found.shape[0] == 1
        n_read += 1
    assert 0 < n_read < 300  # what fits a gallery cannot be told from one


def test_bytes_that_are_no_part_of_the_gallery_are_seen(path: Path, tmp_path: Path) -> None:
    raw, out = path.read_bytes(), tmp_path / "f.h5"
    assert not holds_more(path)
    body = raw[81:] + b"a face"
    out.write_bytes(raw[:16] + hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
    assert read_gallery(out).subjects == ("anna", "bob")
    assert holds_more(out)
