"""The list of what was lost: exact while it is short, never less than the truth, never long."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.file.lost import LostStretches

CHIRP = 8
steps = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 12)), max_size=60)


def marked(pairs: list[tuple[int, int]]) -> tuple[list[tuple[int, int]], np.ndarray]:
    """Stretches from (bytes before it, its length), and which bytes they cover, byte by byte."""
    stretches, position = [], 0
    for skip, length in pairs:
        stretches.append((position + skip, position + skip + length))
        position += skip + length
    lost = np.zeros(position // 1024 * 1024 + 1024, np.bool_)
    for start, stop in stretches:
        for byte in range(start, stop):
            lost[byte] = True
    return stretches, lost


def covered(found: tuple[tuple[int, int], ...], n_bytes: int) -> np.ndarray:
    lost = np.zeros(n_bytes, np.bool_)
    last = -1
    for start, length in found:
        assert start > last  # ascending, and a byte at least between two of them
        assert length > 0
        last = start + length
        assert last <= n_bytes
        lost[start:last] = True
    return lost


@given(steps)
def test_a_short_list_is_exact(pairs: list[tuple[int, int]]) -> None:
    stretches, lost = marked(pairs)
    found = LostStretches(CHIRP)
    for start, stop in stretches:
        found.add(start, stop)
    assert np.array_equal(covered(found.within(len(lost)), len(lost)), lost)
    assert (found.n_bytes, found.granule_bytes) == (lost.sum(), 1)
    half = len(lost) // 2 + 3
    assert np.array_equal(covered(found.within(half), half), lost[:half])


@given(steps, st.integers(1, 12))
def test_a_long_list_is_rounded_outwards(pairs: list[tuple[int, int]], limit: int) -> None:
    stretches, lost = marked(pairs)
    found = LostStretches(CHIRP, limit)
    for start, stop in stretches:
        found.add(start, stop)
        assert len(found.within(1 << 40)) <= limit
    granule = found.granule_bytes
    rounded = covered(found.within(len(lost)), len(lost))
    assert not (lost & ~rounded).any()
    if granule > 1:
        assert granule % CHIRP == 0
        whole = lost[: len(lost) // granule * granule].reshape(-1, granule).any(axis=1)
        assert np.array_equal(rounded[: len(whole) * granule], np.repeat(whole, granule))
    assert found.n_bytes == lost.sum()


def test_coarser_steps_are_announced(caplog: pytest.LogCaptureFixture) -> None:
    found = LostStretches(CHIRP, limit=2)
    with caplog.at_level(logging.WARNING, "capture"):
        for start in (1, 20, 33):
            found.add(start, start + 1)
    assert "more than 2 stretches are lost; from here on they are listed in steps of 16" \
        in caplog.text
    # In steps of 8: 0..8, 16..24, 32..40, still three; in steps of 16: 0..48, one.
    assert found.within(1000) == ((0, 48),)
