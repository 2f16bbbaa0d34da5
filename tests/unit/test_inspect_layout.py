"""Which layout is this: tones and noise of known order, and offset binary."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from capture.config import RadarConfig
from capture.errors import LayoutError
from capture.inspect.layout import identify_layout, refuse_offset_binary
from capture.layouts import LAYOUTS, decode, encode

RADAR = RadarConfig(n_samples=128, n_loops=64)
TWO_LANE = ("IIQQ", "QQII", "IQIQ", "QIQI")


def echoes(
    place: float, snr_db: float, config: RadarConfig = RADAR, n_chirps: int = 64, seed: int = 1
) -> np.ndarray:
    """Echo at `place` of the range axis in noise of 100 counts, any phase in every chirp."""
    rng = np.random.default_rng(seed)
    shape = (n_chirps, config.n_rx, config.n_samples)
    phase = rng.uniform(0, 2 * np.pi, (*shape[:2], 1))
    tone = np.exp(1j * (2 * np.pi * place * np.arange(config.n_samples) + phase))
    noise = (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)) / np.sqrt(2)
    return 100 * (10 ** (snr_db / 20) * tone + noise)


@pytest.mark.parametrize("truth", TWO_LANE)
@pytest.mark.parametrize("place", [0.03, 0.1, 0.2])
@pytest.mark.parametrize("snr_db", [0, 20])
def test_a_near_echo_tells_every_two_lane_order(truth: str, place: float, snr_db: float) -> None:
    verdict = identify_layout(encode(echoes(place, snr_db), truth, RADAR), RADAR)
    assert (verdict.layout, verdict.confirmed) == (truth, True)
    assert verdict.scores[truth] == 0
    assert all(verdict.contradicts(other) for other in TWO_LANE if other != truth)


@pytest.mark.parametrize(("truth", "claimed"), [("four-lane", "QI"), ("four-lane-QI", "IQ")])
def test_four_lanes_tell_the_order_of_i_and_q(truth: str, claimed: str) -> None:
    config = dataclasses.replace(RADAR, n_lanes=4, iq_order=claimed, rx_mask=0b0110)
    verdict = identify_layout(encode(echoes(0.1, 10, config), truth, config), config)
    assert (verdict.layout, verdict.confirmed) == (truth, True)


@pytest.mark.parametrize("iq_order", ["IQ", "QI"])
@pytest.mark.parametrize("seed", range(10))
def test_noise_alone_leaves_the_configuration_in_force(iq_order: str, seed: int) -> None:
    config = dataclasses.replace(RADAR, iq_order=iq_order)
    for n_chirps in (1, 64):
        words = encode(echoes(0.1, -80, n_chirps=n_chirps, seed=seed), "IQIQ", config)
        verdict = identify_layout(words, config)
        assert verdict.layout == ("IIQQ" if iq_order == "IQ" else "QQII")
        assert not verdict.confirmed
        assert "unconfirmed" in verdict.evidence["layout"]


@pytest.mark.parametrize("place", [0.05, 0.3, 0.5, 0.55, 0.6, 0.65])
@pytest.mark.parametrize("snr_db", [-20, -10, 0, 20])
@pytest.mark.parametrize("seed", range(3))
def test_no_false_alarm_over_the_first_two_thirds_of_the_range(
    place: float, snr_db: float, seed: int
) -> None:
    # Beyond half the range the exchanged reading is nearer, but at 0.65 by (0.65 / 0.35)^4
    # = 10.8 dB only: too little to contradict a complex1x radar.
    words = encode(echoes(place, snr_db, seed=seed), "IIQQ", RADAR)
    verdict = identify_layout(words, RADAR)
    assert verdict.layout == "IIQQ"
    verdict.check("IIQQ")


def test_an_echo_at_a_quarter_of_the_sampling_rate_leaves_two_orders_open() -> None:
    # I(n+1) = -Q(n) there: IIQQ read as IQIQ is again one pure tone at the same place.
    verdict = identify_layout(encode(echoes(0.25, 20), "IIQQ", RADAR), RADAR)
    assert verdict.layout == "IIQQ"
    assert not verdict.confirmed
    assert verdict.evidence["layout"].endswith("not ruled out: IQIQ")


def test_the_measured_circularity_is_the_closed_form() -> None:
    # Mispaired words correlate with cos(2 pi f / fs), thinned by 1 / (1 + noise / signal):
    # 0.8090 at 0.1, times 1 / 1.01 at 20 dB.
    verdict = identify_layout(encode(echoes(0.1, 20), "IIQQ", RADAR), RADAR)
    assert "IIQQ 0.00" in verdict.evidence["circularity"]
    assert "IQIQ 0.80" in verdict.evidence["circularity"]


def test_a_contradiction_names_both_orders_and_the_way_out() -> None:
    verdict = identify_layout(encode(echoes(0.1, 20), "QQII", RADAR), RADAR)
    with pytest.raises(LayoutError) as caught:
        verdict.check("IIQQ", "walk.bin")
    text = str(caught.value)
    assert text.startswith("walk.bin: ")
    assert "got QQII" in text
    assert "expected IIQQ" in text
    assert 'iq_order = "QI"' in text
    reordered = identify_layout(encode(echoes(0.1, 20), "IQIQ", RADAR), RADAR)
    with pytest.raises(LayoutError, match="pass the layout: IQIQ to follow the content"):
        reordered.check("IIQQ")


def test_an_empty_file_and_a_real_adc_have_nothing_to_tell_apart() -> None:
    nothing = np.zeros((4, RADAR.words_per_chirp), np.int16)
    assert identify_layout(nothing, RADAR).evidence == {"layout": "there is no signal"}
    real = dataclasses.replace(RADAR, adc_format="real")
    words = np.ones((4, real.words_per_chirp), np.int16)
    assert identify_layout(words, real).layout == "real"


def test_offset_binary_is_refused_by_name() -> None:
    words = encode(echoes(0.1, 20), "IIQQ", RADAR)
    refuse_offset_binary(words)
    with pytest.raises(LayoutError, match="TSW1400"):
        identify_layout(words ^ np.int16(-(2**15)), RADAR)
    loud = np.random.default_rng(0).integers(-(2**15), 2**15, 10_000).astype(np.int16)
    refuse_offset_binary(loud)


def test_decoding_with_the_verdict_recovers_the_range() -> None:
    truth = echoes(0.1, 20)
    words = encode(truth, "QQII", RADAR)
    samples = decode(words, identify_layout(words, RADAR).layout, RADAR)
    power = np.mean(np.abs(np.fft.fft(samples)) ** 2, axis=(0, 1))
    assert np.argmax(power) == round(0.1 * 128)


@pytest.mark.parametrize("truth", TWO_LANE)
@pytest.mark.parametrize("place", [0.5, 0.497, 0.503])
def test_a_wall_in_the_middle_bin_is_not_taken_for_a_wrong_order(truth: str, place: float) -> None:
    # A still echo of half a turn a sample has a constant z^2, whoever reads it.
    wall = 1e4 * np.exp(1j * (2 * np.pi * place * np.arange(128) + 0.7))
    words = encode(echoes(0.1, 20) + wall, truth, RADAR)
    config = dataclasses.replace(RADAR, iq_order="IQ" if truth.startswith("I") else "QI")
    verdict = identify_layout(words, config)
    assert LAYOUTS[verdict.layout].loops == LAYOUTS[truth].loops
    assert not verdict.contradicts(truth)
