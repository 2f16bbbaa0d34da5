"""The further planes of an image, against the DFT's definition and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from naive import dsp as naive
from naive.tones import Tones, moving, tiny_radar

from radarid.dsp import convert, slowtime
from radarid.dsp.gating import gate_bins
from radarid.dsp.params import DspParams
from radarid.dsp.planes import ImagePlanes
from radarid.dsp.range_fft import RangeStage
from radarid.dsp.slowtime import SlowTime
from radarid.dsp.stft import SliceTransform
from radarid.errors import ParameterError

RADAR = tiny_radar()
WINDOW = 64
# Cycles per chirp that are Doppler bins of every window, down to the quarter's 16 chirps.
CYCLES = np.arange(-8, 8) / 16


def setup(kind: str, window: int = WINDOW, **changes: object) -> tuple[ImagePlanes, SlowTime]:
    params = DspParams(planes=kind, window_chirps=window, **changes)  # type: ignore[arg-type]
    grid = slowtime.plan(RADAR, params)
    velocity = convert.doppler_to_velocity_mps(RADAR, CYCLES / grid.interval_s)
    return ImagePlanes(RADAR, params, grid, velocity), grid


def noise(n_virtual: int, n_bins: int, seed: int = 3) -> np.ndarray:
    parts = np.random.default_rng(seed).standard_normal((2, WINDOW, n_virtual, n_bins))
    return (parts[0] + 1j * parts[1]).astype(np.complex64)


@pytest.mark.parametrize("n_missing", [0, 9])
def test_stack_is_the_strongest_bin_and_the_torso_s_alone(n_missing: int) -> None:
    planes, _ = setup("stack")
    x, valid = noise(2, 20), np.arange(WINDOW) >= n_missing
    clutter = (x[0] / 3).astype(np.complex64)
    found = planes(x, valid, clutter, slice(4, 9), 6)
    assert found.shape == (2, 16)
    assert found.dtype == np.float32
    for k in (0, 5, 13):
        one = [naive.slice_power(x, valid, clutter, range(b, b + 1), CYCLES[k]) for b in range(20)]
        assert found[0, k] == pytest.approx(max(one[4:9]), rel=1e-4)
        assert found[1, k] == pytest.approx(one[6], rel=1e-4)


@pytest.mark.parametrize("n_missing", [0, 30])
def test_multires_transforms_the_middle_half_and_quarter(n_missing: int) -> None:
    planes, _ = setup("multires")
    x, valid = noise(2, 20), np.arange(WINDOW) >= n_missing
    clutter = (x[0] / 3).astype(np.complex64)
    found = planes(x, valid, clutter, slice(4, 9), 6)
    for plane, middle in zip(found, (slice(16, 48), slice(24, 40)), strict=True):
        for k in (0, 5, 13):
            by_hand = naive.slice_power(x[middle], valid[middle], clutter, range(4, 9), CYCLES[k])
            assert plane[k] == pytest.approx(by_hand, rel=1e-4)


def test_a_plane_is_empty_where_its_window_received_nothing() -> None:
    x = noise(1, 20)
    none = np.zeros(WINDOW, bool)
    outer = np.arange(WINDOW) < 22  # of the half window 6 chirps, of the quarter none
    clutter = np.zeros((1, 20), np.complex64)
    assert not setup("stack")[0](x, none, clutter, slice(4, 9), 6).any()
    half, quarter = setup("multires")[0](x, outer, clutter, slice(4, 9), 6)
    assert half.any()
    assert not quarter.any()


def test_every_plane_keeps_the_variance_of_noise() -> None:
    """Powers of one antenna's bin are exponential; the strongest of n has the mean H_n."""
    gate, rounds = slice(0, 8), 60
    sums = {"stack": np.zeros(2), "multires": np.zeros(2)}
    for kind, total in sums.items():
        planes, _ = setup(kind)
        for seed in range(rounds):
            clutter = np.zeros((1, 20), np.complex64)
            x = noise(1, 20, seed)  # of variance 2
            total += planes(x, np.ones(WINDOW, bool), clutter, gate, 3).mean(axis=1) / rounds
    harmonic = sum(1 / k for k in range(1, 9))
    assert sums["stack"] == pytest.approx([2 * harmonic, 2], rel=0.1)
    assert sums["multires"] == pytest.approx([2 * 8, 2 * 8], rel=0.1)


def test_a_steady_tone_is_3_db_weaker_in_each_shorter_window() -> None:
    """Power of a tone under a Hann taper of unit energy: n (sum w)^2 / (n sum w^2) = 2 n / 3."""
    planes, grid = setup("multires")
    tone = np.exp(2j * np.pi * CYCLES[12] * np.arange(WINDOW))[:, None, None]
    x = np.repeat(tone, 20, axis=2).astype(np.complex64)
    clutter, valid = np.zeros((1, 20), np.complex64), np.ones(WINDOW, bool)
    found = planes(x, valid, clutter, slice(5, 6), 5)[:, 12]
    assert found == pytest.approx([2 * WINDOW / 2 / 3, 2 * WINDOW / 4 / 3], rel=1e-4)


def test_shorter_windows_see_less_of_a_reversing_limb() -> None:
    """Velocity swept from -2 to 2 m/s: the spectrum's second moment is <(w v)^2> + <w'^2>.

    The first part is what the limb does during the window, the second the window's own lobe,
    lambda / (2 sqrt(3) T) for a Hann taper of duration T.
    """
    params = DspParams(planes="multires", window_chirps=WINDOW)
    grid = slowtime.plan(RADAR, params)
    velocity = np.linspace(-3, 3, 241)
    t = (np.arange(WINDOW) - WINDOW / 2) * grid.interval_s
    rate = 2.0 / -t[0]
    swing = np.exp(4j * np.pi / RADAR.wavelength_m * rate * t**2 / 2)[:, None, None]
    x, valid = np.repeat(swing, 20, axis=2).astype(np.complex64), np.ones(WINDOW, bool)
    args = x, valid, np.zeros((1, 20), np.complex64), slice(5, 6)
    whole = SliceTransform(RADAR, params, grid, velocity)(*args)
    shorter = ImagePlanes(RADAR, params, grid, velocity)(*args, 5)
    for n, power in zip((64, 32, 16), (whole, *shorter), strict=True):
        taper = naive.hann(n)
        swept = rate**2 * (taper**2 @ ((np.arange(n) - n / 2) * grid.interval_s) ** 2)
        lobe = (RADAR.wavelength_m / (2 * np.sqrt(3) * n * grid.interval_s)) ** 2
        assert power @ velocity**2 / power.sum() == pytest.approx(swept + lobe, rel=0.05)


def test_two_bodies_in_two_bins() -> None:
    """The hand moves in a bin of its own: seen by the sum and the strongest, not by the torso's."""
    width_m = convert.bins_to_range_m(RADAR, 64, np.array([1.0]))[0]
    torso, hand = moving(20 * width_m, 0.8), moving(25 * width_m, -1.5)
    params = DspParams(planes="stack", range_window="blackman", min_range_m=0, max_range_m=20)
    grid, stage = slowtime.plan(RADAR, params), RangeStage(RADAR, params)
    velocity = np.linspace(-3, 3, 121)
    (frame,) = Tones(RADAR, 1, [(1000.0, torso), (300.0, hand)])
    profiles, valid = stage(frame)
    x, v = profiles[: grid.window], valid[: grid.window]
    clutter = np.zeros(x.shape[1:], np.complex64)
    gate = gate_bins(stage.range_m, 22 * width_m, 5 * width_m)
    body = int(np.argmin(np.abs(stage.range_m - 20 * width_m)))
    total = SliceTransform(RADAR, params, grid, velocity)(x, v, clutter, gate)
    strongest, alone = ImagePlanes(RADAR, params, grid, velocity)(x, v, clutter, gate, body)
    at_torso, at_hand = np.argmin(np.abs(velocity - 0.8)), np.argmin(np.abs(velocity + 1.5))
    relative_db = [10 * np.log10(p[at_hand] / p[at_torso]) for p in (total, strongest, alone)]
    assert relative_db[0] == pytest.approx(20 * np.log10(0.3), abs=0.2)
    assert relative_db[1] == pytest.approx(20 * np.log10(0.3), abs=0.2)
    assert relative_db[2] < -50
    assert alone[at_torso] == pytest.approx(strongest[at_torso], rel=1e-5)


def test_what_cannot_be_split_is_refused() -> None:
    with pytest.raises(ParameterError, match="15 chirps; expected 16"):
        setup("multires", 15)
    setup("multires", 16)
    params = DspParams()
    with pytest.raises(ParameterError, match="no further image planes"):
        ImagePlanes(RADAR, params, slowtime.plan(RADAR, params), np.zeros(3))
