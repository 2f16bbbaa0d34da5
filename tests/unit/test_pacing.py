"""Packets leave when their chirps are made and no faster than the board can."""

import threading
import time

import numpy as np
import pytest
from naive.link_faults import chirp_end_s, departures

from capture.config import Chirp, RadarConfig, Subframe
from capture.emulator.pacing import departures_s, made_s, spacing_s, wait_until

PAPER = RadarConfig()
UNEVEN = RadarConfig(
    n_samples=100, rx_mask=0b11, n_loops=3, frame_period_s=2e-3,
    chirps=(Chirp(), Chirp(tx_mask=2, idle_offset_s=40e-6), Chirp(ramp_end_offset_s=10e-6)),
)  # fmt: skip
HSI = RadarConfig(n_samples=64, rx_mask=1, n_loops=4, frame_period_s=1e-3, hsi_header=True)


def test_bytes_are_made_with_their_chirp() -> None:
    # one chirp: 64 samples of 4 bytes = 256 bytes and 60 + 60 us; a frame of four every 1 ms
    radar = RadarConfig(n_samples=64, rx_mask=1, n_loops=4, frame_period_s=1e-3)
    made = made_s(np.array([1, 256, 257, 1024, 1025, 2048]), radar)
    np.testing.assert_allclose(made, [120e-6, 120e-6, 240e-6, 480e-6, 1120e-6, 1480e-6])


@pytest.mark.parametrize("radar", [PAPER, UNEVEN, HSI], ids=["paper", "uneven", "hsi"])
@pytest.mark.parametrize("delay_us", [5, 25, 500])
def test_no_packet_leaves_before_its_chirp_nor_too_close(
    radar: RadarConfig, delay_us: float
) -> None:
    ends = 1456 * np.arange(1, 1500)
    truth = np.array([chirp_end_s(int(end) - 1, radar) for end in ends[::13]])
    made = made_s(ends, radar)
    np.testing.assert_allclose(made[::13], truth, rtol=1e-12)
    left = departures_s(made, spacing_s(delay_us), -np.inf)
    assert (left >= made).all()
    assert (left[::13] >= truth - 1e-12).all()
    assert np.diff(left).min() >= spacing_s(delay_us) * (1 - 1e-9)
    np.testing.assert_allclose(
        left, departures(made.tolist(), spacing_s(delay_us), -np.inf), rtol=1e-12
    )


def test_departures_go_on_from_the_packet_before() -> None:
    made = np.array([0.0, 0.1, 5.0, 5.0, 5.0])
    left = departures_s(made, 1.0, 2.5)
    np.testing.assert_allclose(left, [3.5, 4.5, 5.5, 6.5, 7.5])


@pytest.mark.parametrize(
    ("delay_us", "rate_mbps"), [(5, 706), (10, 545), (25, 325), (50, 193)]
)
def test_the_spacing_gives_the_throughput_that_ti_states(delay_us: float, rate_mbps: float) -> None:
    assert 8e-6 * 1508 / spacing_s(delay_us) == pytest.approx(rate_mbps, abs=2)


def test_the_fastest_board_sends_58_thousand_packets_a_second() -> None:
    assert 58_000 < 1 / spacing_s(5) < 59_000


def test_other_subframes_are_not_made_too_early() -> None:
    part = Subframe(index=1, n_subframes=3, lead_bytes=1000, tail_bytes=600, lead_s=300e-6)
    radar = RadarConfig(
        n_samples=64, rx_mask=1, n_loops=2, frame_period_s=2e-3, subframe=part
    )
    assert radar.stored_frame_bytes == 1000 + 512 + 600
    made = made_s(np.array([1, 1000, 1001, 1257, 1512, 1513, 2112, 2113]), radar)
    expected = [300e-6, 300e-6, 420e-6, 540e-6, 540e-6, 2e-3, 2e-3, 2.3e-3]
    np.testing.assert_allclose(made, expected)


@pytest.mark.parametrize("wait_ns", [-1_000_000, 300_000, 20_000_000])
def test_waiting_ends_after_the_time_and_not_before(wait_ns: int) -> None:
    due = time.monotonic_ns() + wait_ns
    while time.monotonic_ns() < due:
        assert wait_until(due, threading.Event())
    assert time.monotonic_ns() >= due


def test_a_halt_ends_a_long_wait() -> None:
    halt = threading.Event()
    threading.Timer(0.05, halt.set).start()
    assert not wait_until(time.monotonic_ns() + 60_000_000_000, halt)
