"""Reads damaged copies of a store, and prints what becomes of each: `mutated_stores.py STORE N`.

A process of its own: what HDF5 does with a forged file can end in the death of who reads it.
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from radarid.data.store import GaitStore
from radarid.errors import StoreError

SECONDS = 20


def mutate(raw: bytes, rng: np.random.Generator) -> bytes:
    """One or two changes where there is anything; most leave all the rest in its place."""
    data = bytearray(raw)
    places = np.flatnonzero(np.frombuffer(raw, np.uint8))
    for kind in rng.choice(["flip", "bit", "small", "number", "cut", "insert"], rng.integers(1, 3),
                           p=[0.3, 0.2, 0.2, 0.2, 0.05, 0.05]):  # fmt: skip
        place = min(int(rng.choice(places)), len(data) - 8)
        if kind == "flip":
            data[place] ^= int(rng.integers(1, 256))
        elif kind == "bit":
            data[place] ^= 1 << int(rng.integers(8))
        elif kind == "small":
            data[place] = int(rng.integers(4))
        elif kind == "number":  # a length or an address that is far too large
            data[place : place + 8] = b"\xff" * 8
        elif kind == "cut":
            del data[place : place + int(rng.integers(1, 300))]
        else:
            data[place:place] = rng.bytes(int(rng.integers(1, 300)))
    return bytes(data)


def content(path: Path) -> list[Any]:
    """Everything that a store's readers give."""
    with GaitStore.open(path) as store:
        rows = np.arange(store.n_clips)
        found: list[Any] = [store.radar, store.dsp, store.face_content, store.recordings()]
        for table in (store.table(), store.faces()):
            found += [column.tolist() for column in vars(table).values()]
        found += [read(rows).tobytes() for read in (store.read_clips, store.read_valid)]
    return found


def main() -> None:
    path, n = Path(sys.argv[1]), int(sys.argv[2])
    raw, good, damaged = path.read_bytes(), content(path), path.with_name("damaged.h5")
    for seed in range(n):
        damaged.write_bytes(mutate(raw, np.random.default_rng(seed)))
        print(seed, end=" ", flush=True)
        limit = int(time.process_time()) + SECONDS  # a loop has an end
        resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))
        try:
            print("as it was" if content(damaged) == good else "otherwise")
        except StoreError:
            print("refused")


if __name__ == "__main__":
    main()
