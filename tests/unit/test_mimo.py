"""Transmit patterns, and single antennas' echoes out of TDM, BPM and simultaneous chirps."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from capture.config import Chirp, RadarConfig
from capture.errors import ConfigError, LayoutError
from capture.mimo import demodulate, demultiplex, scheme, tx_patterns


def radar(*masks: tuple[int, int]) -> RadarConfig:
    chirps = tuple(Chirp(tx_mask=tx, bpm_mask=bpm) for tx, bpm in masks)
    return RadarConfig(n_samples=8, rx_mask=3, n_loops=5, chirps=chirps, frame_period_s=0.1)


def echoes_of_one_antenna(n_tx: int = 3) -> np.ndarray:
    """Constant echo of antenna t: (t + 1) exp(j t), times its own tone; (n_tx, n_rx, n_samples)."""
    tone = np.exp(2j * np.pi * np.arange(8) / 8)
    rx = np.array([1.0, 1j])[:, None]
    return np.stack([(t + 1) * np.exp(1j * t) * rx * tone**t for t in range(n_tx)])


def transmit(config: RadarConfig, echoes: np.ndarray) -> np.ndarray:
    """What the receivers see when echoes simply add up, chirp after chirp."""
    frame = []
    for loop in range(config.n_loops):
        for chirp in config.chirps:
            total = np.zeros(echoes.shape[1:], complex)
            for t, echo in enumerate(echoes):
                if chirp.tx_mask >> t & 1:
                    total += -echo if chirp.bpm_mask >> t & 1 else echo
            frame.append(total * (loop + 1))
    return np.array(frame)


@pytest.mark.parametrize(("masks", "names", "what"), [
    ([(1, 0)], ("TX0",), "single"),
    ([(4, 0), (4, 0)], ("TX2", "TX2"), "single"),
    ([(3, 0)], ("TX0+TX1",), "simultaneous"),
    ([(1, 0), (4, 0), (2, 0)], ("TX0", "TX2", "TX1"), "TDM"),
    ([(3, 0), (3, 2)], ("TX0+TX1", "TX0-TX1"), "BPM"),
    ([(3, 1), (3, 3)], ("-TX0+TX1", "-TX0-TX1"), "BPM"),
    ([(1, 0), (3, 0)], ("TX0", "TX0+TX1"), "mixed"),
    ([(0, 0), (1, 0)], ("none", "TX0"), "mixed"),
    ([(1, 2)], ("TX0",), "single"),  # an antenna that is off is not inverted either
])  # fmt: skip
def test_patterns_are_named(
    masks: list[tuple[int, int]], names: tuple[str, ...], what: str
) -> None:
    assert tx_patterns(radar(*masks)) == names
    assert scheme(radar(*masks)) == what


def test_chirps_are_parted_in_the_order_of_the_loop() -> None:
    config = radar((1, 0), (4, 0), (2, 0))
    samples = np.arange(15)[:, None, None] * np.ones((1, 2, 8), np.complex64)
    parted = demultiplex(samples, config)
    assert parted.shape == (5, 3, 2, 8)
    assert parted[:, 1, 0, 0].real.tolist() == [1, 4, 7, 10, 13]
    assert parted.base is not None
    with pytest.raises(LayoutError, match=r"got \(14, 2, 8\); expected \(15, n_rx, n_samples\)"):
        demultiplex(samples[:14], config)


@pytest.mark.parametrize("masks", [
    [(1, 0), (2, 0), (4, 0)],
    [(4, 0), (1, 0), (2, 0)],
    [(1, 0), (2, 0), (4, 0), (1, 0)],
    [(7, 0), (7, 2), (7, 4), (7, 6)],
    [(3, 0), (3, 2), (4, 0)],
    [(1, 0), (3, 0), (7, 0)],
])  # fmt: skip
def test_every_antenna_is_recovered(masks: list[tuple[int, int]]) -> None:
    config, echoes = radar(*masks), echoes_of_one_antenna()
    per_tx, antennas = demodulate(transmit(config, echoes).astype(np.complex64), config)
    assert antennas == (0, 1, 2)
    assert per_tx.dtype == np.complex64
    expected = echoes[None] * np.arange(1, 6)[:, None, None, None]
    np.testing.assert_allclose(per_tx, expected, atol=1e-4)


def test_two_antennas_by_sum_and_difference() -> None:
    # Hand: chirps 5 and 1 are TX0 + TX1 and TX0 - TX1, so TX0 = 3 and TX1 = 2.
    config = dataclasses.replace(radar((3, 0), (3, 2)), n_loops=1, rx_mask=1)
    samples = np.array([5, 1])[:, None, None] * np.ones((1, 1, 8), np.complex64)
    per_tx, antennas = demodulate(samples, config)
    assert antennas == (0, 1)
    assert per_tx[0, :, 0, 0] == pytest.approx([3, 2])


def test_unused_antennas_are_left_out() -> None:
    per_tx, antennas = demodulate(np.ones((10, 2, 8), np.complex64), radar((4, 0), (1, 0)))
    assert antennas == (0, 2)
    assert per_tx.shape == (5, 2, 2, 8)


@pytest.mark.parametrize("masks", [[(3, 0)], [(3, 0), (3, 0)], [(3, 0), (3, 3)], [(0, 0)],
                                   [(3, 0), (4, 0)]])  # fmt: skip
def test_what_only_ever_transmits_together_is_refused(masks: list[tuple[int, int]]) -> None:
    config = radar(*masks)
    with pytest.raises(ConfigError, match="cannot be told apart") as caught:
        demodulate(np.ones((config.n_chirps, 2, 8), np.complex64), config)
    assert tx_patterns(config)[0] in str(caught.value)
