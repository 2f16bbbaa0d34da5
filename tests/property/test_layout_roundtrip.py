"""Every layout, antenna mask and word length: round trips, and the naive twin."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import layouts as naive

from capture.config import RadarConfig
from capture.layouts import LAYOUTS, decode, encode, layouts_for


@st.composite
def cases(draw: st.DrawFn) -> tuple[RadarConfig, str, int]:
    layout = draw(st.sampled_from(sorted(LAYOUTS)))
    config = RadarConfig(
        n_samples=2 * draw(st.integers(1, 9)),
        n_loops=draw(st.integers(1, 3)),
        rx_mask=draw(st.integers(1, 15)),
        adc_bits=draw(st.sampled_from((12, 14, 16))),
        adc_format="real" if "real" in layout else "complex1x",
        n_lanes=4 if "four" in layout else 2,
    )
    return config, layout, draw(st.integers(0, 2**32 - 1))


@settings(max_examples=60, deadline=None)
@given(cases())
def test_decode_undoes_encode(case: tuple[RadarConfig, str, int]) -> None:
    config, layout, seed = case
    assert layout in layouts_for(config)
    rng = np.random.default_rng(seed)
    full_scale = 1 << (config.adc_bits - 1)
    shape = (config.n_chirps, config.n_rx, config.n_samples)
    samples = rng.integers(-full_scale, full_scale, shape).astype(np.complex64)
    if config.is_complex:
        samples += 1j * rng.integers(-full_scale, full_scale, shape)
    words = encode(samples, layout, config)
    assert words.nbytes == config.frame_bytes
    np.testing.assert_array_equal(decode(words, layout, config), samples)


@settings(max_examples=40, deadline=None)
@given(cases())
def test_decode_agrees_with_the_tables_walked_word_by_word(
    case: tuple[RadarConfig, str, int],
) -> None:
    config, layout, seed = case
    words = np.random.default_rng(seed).integers(
        -(2**15), 2**15, (config.n_chirps, config.words_per_chirp), np.int16
    )
    samples = decode(words, layout, config)
    for chirp, row in zip(samples, words, strict=True):
        twin = naive.decode(
            row.tolist(), layout, config.n_samples, list(config.rx_antennas), config.adc_bits
        )
        for k, rx in enumerate(config.rx_antennas):
            assert chirp[k].tolist() == [twin[rx, n] for n in range(config.n_samples)]
