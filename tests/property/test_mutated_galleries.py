"""Damaged and forged galleries by the thousand: refused with an error, or exactly as written."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from galleries import Crowd, gallery

from radarid.errors import GalleryError
from radarid.live.gallery_file import create_gallery, read_gallery


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


FORGE = """
import sys
from pathlib import Path
import numpy as np
sys.path[:0] = {paths!r}
from test_mutated_galleries import forged
from radarid.errors import GalleryError
from radarid.live.gallery_file import read_gallery
from radarid.live.matcher import Matcher
raw, out, n_read = Path({raw!r}).read_bytes(), Path({out!r}), 0
for seed in range(1000):
    out.write_bytes(forged(raw, seed))
    try:
        Matcher(read_gallery(out)).scores(np.ones((1, 16)))
        n_read += 1
    except GalleryError:
        continue
print(n_read)
"""


def forged(raw: bytes, seed: int) -> bytes:
    """A gallery with mutations in HDF5's part, and a checksum that fits them."""
    rng = np.random.default_rng(seed)
    body = mutate(raw, rng, 512)[512:]
    if seed % 2:  # half of them in the tables of contents, which lie in front
        body = mutate(raw[512:2560], rng) + raw[2560:]
    head = b"radarid gallery\n" + hashlib.sha256(body).hexdigest().encode() + b"\n"
    return head.ljust(512, b"\0") + body


def test_no_forgery_crashes_the_reader(path: Path, tmp_path: Path) -> None:
    """In a process of its own, which a fault of the HDF5 library would end."""
    code = FORGE.format(
        paths=[str(Path(__file__).parent), str(Path(__file__).parents[1])],
        raw=str(path), out=str(tmp_path / "f.h5"),
    )  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) < 900  # flips in numbers cannot be seen without the checksum
