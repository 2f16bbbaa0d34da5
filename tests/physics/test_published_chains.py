"""The published chains do what they were published to do, errors included; ours does not."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import scipy.signal
from naive import gaitsada as twin
from naive.tones import Path, Tones, moving, tiny_radar

from capture import layouts
from capture.types import AdcFrame
from radarid.dsp import compat_gaitsada
from radarid.dsp.compat import compat_chain, compat_clips, pixel_axes
from radarid.dsp.compat_strung import CompatSpectrogram, NoWalkError, Strung, merged_magnitude
from radarid.dsp.params import DspParams
from radarid.errors import ParameterError

RADAR = tiny_radar()  # the paper's timing: 230 chirps of 120 us every 33 ms
ENDLESS = tiny_radar(n_loops=275)  # the same chirps without a gap
GAITSADA, PAPER = DspParams(compat="gaitsada"), DspParams(compat="paper")
SHRINKAGE = 230 * 120e-6 / 33e-3  # what 6970 instead of 8333 chirps a second make of a velocity


def walk(path: Path, radar: object = RADAR, n_frames: int = 112) -> list[AdcFrame]:
    scatterers = [(2000.0, moving(2.5, 0.0)), (300.0, path)]
    return list(Tones(radar, n_frames, scatterers, noise=10.0))  # type: ignore[arg-type]


@cache
def away(velocity: float) -> tuple[AdcFrame, ...]:
    """3.7 s through all range bins of GaitSADA, 1.4 to 5.9 m."""
    return tuple(walk(moving(1.4, velocity)))


@cache
def gaitsada(velocity: float) -> CompatSpectrogram:
    return compat_gaitsada.spectrogram(away(velocity))


def swing(t: np.ndarray) -> np.ndarray:
    return 1.2 + 1.4 * t + 0.1 * np.sin(12 * t)


@pytest.mark.parametrize(
    ("path", "goes_away"), [(moving(6.2, -1.3), False), (swing, True)], ids=["towards", "swing"]
)
def test_gaitsada_is_its_twin_of_other_libraries(path: Path, goes_away: bool) -> None:
    frames = walk(path)
    samples = np.concatenate([layouts.decode(f.words, "IIQQ", RADAR)[:, 0] for f in frames])
    expected, is_away = twin.chain(samples, RADAR)
    found = compat_gaitsada.spectrogram(frames)
    assert is_away == goes_away == (found.velocity_mps[0] > 0)
    # The script's filter, eighth order in one polynomial, makes 1e-5 of the wall's level of the
    # last bits of its input (0.7 of 70000 counts): two FFT libraries differ by 0.02 dB at -45 dB.
    off_db = np.abs(found.image - expected)
    assert np.median(off_db) < 1e-3
    assert off_db[expected > expected.max() - 45].max() < 0.05


@pytest.mark.parametrize("velocity", [1.3, 1.7])
def test_a_velocity_stands_where_the_published_axis_says_16_percent_too_low(
    velocity: float,
) -> None:
    assert pytest.approx(-0.164, abs=0.0005) == SHRINKAGE - 1
    for found in (gaitsada(velocity), compat_chain(away(velocity), PAPER)[0]):
        row = np.argmax(found.image, axis=0)
        pixel = abs(found.velocity_mps[1] - found.velocity_mps[0])
        # The lines at +-15 Hz (half a frame rate) about the peak are nearly as strong: facts
        # E.3 give 14 Hz rms, 0.027 m/s.
        assert np.median(found.velocity_mps[row]) == pytest.approx(velocity, abs=0.027 + pixel)
        published = np.median(found.published_velocity_mps[row])
        assert published == pytest.approx(SHRINKAGE * velocity, abs=0.027 + pixel)
        np.testing.assert_allclose(
            found.published_velocity_mps, SHRINKAGE * found.velocity_mps, rtol=1e-9
        )


@pytest.mark.parametrize("velocity", [0.5, 1.3, 2.0])
def test_strung_chirps_have_lines_at_minus_15_db_and_endless_ones_have_none(
    velocity: float,
) -> None:
    # Facts E.3: Chebyshev 512 of 120 dB on strung chirps, -15 dB outside +-80 Hz, worst -11.4.
    levels = []
    for radar in (RADAR, ENDLESS):
        time_s = np.arange(60)[:, None] * 33e-3 + radar.chirp_start_s
        tone = np.exp(4j * np.pi * velocity * time_s.reshape(1, -1) / radar.wavelength_m)
        strung = Strung(radar, tone, np.ones(tone.shape[1], bool),
                        np.array([3.0]), 0.0)  # fmt: skip
        taper = scipy.signal.windows.chebwin(512, 120)
        level = merged_magnitude(compat_gaitsada.remove_clutter(strung), taper)[:, 40:]
        axis, _ = strung.velocities_mps((np.arange(512) - 256) / 512)
        outside = np.abs(axis - velocity) > 80 * radar.wavelength_m / 2
        levels.append(20 * np.log10(level[outside].max(axis=0) / level.max(axis=0)))
    assert np.median(levels[0]) == pytest.approx(-15.2, abs=0.5)
    assert levels[0].max() == pytest.approx(-12, abs=1)
    assert levels[1].max() < -40


def test_the_lines_are_in_the_published_image() -> None:
    """Not without the gap; and not with it in ours, see `test_dsp_velocity`."""
    levels = []
    for radar in (RADAR, ENDLESS):
        path = moving(1.4, 1.3)
        found = gaitsada(1.3) if radar is RADAR else compat_gaitsada.spectrogram(walk(path, radar))
        outside = np.abs(found.velocity_mps - 1.3) > 0.25
        levels.append(np.median(found.image[outside].max(axis=0) - found.image.max(axis=0)))
    assert -20 < levels[0] < -13
    assert levels[1] < -40


def test_a_walk_away_is_mirrored_to_look_like_one_towards() -> None:
    # The same walk backwards in time.
    last_s = 111 * 33e-3 + float(RADAR.chirp_start_s[-1])
    path = moving(1.4, 1.3)
    found = gaitsada(1.3)
    back = compat_gaitsada.spectrogram(walk(lambda t: path(last_s - t)))
    assert found.velocity_mps[0] == pytest.approx(4.0, abs=0.1)
    assert back.velocity_mps[0] == pytest.approx(-4.0, abs=0.1)
    assert found.time_s[0] > found.time_s[-1]
    assert back.time_s[0] < back.time_s[-1]
    seen = [np.clip(image.image, image.image.max() - 40, None) for image in (found, back)]
    assert np.corrcoef(seen[0].ravel(), seen[1].ravel())[0, 1] > 0.9
    assert pixel_axes(RADAR, GAITSADA)[0] == pytest.approx(back.velocity_mps, abs=1e-5)


def test_times_of_the_columns() -> None:
    # Of 112 frames, 3.7 s: the walker is in view until 5.9 m, at 3.4 s; the 1024 columns in the
    # middle of that, 16 chirps apart, hold 2.35 s.
    found = gaitsada(1.3)
    assert np.ptp(found.time_s) == pytest.approx(1024 * 16 / 6969.7, rel=0.01)
    assert found.time_s.mean() == pytest.approx(1.7, abs=0.15)
    # Spreading 27.6 ms over 33 ms moves no chirp by more than the gap.
    assert np.abs(found.published_time_s - found.time_s).max() < 5.5e-3


def test_paper_cuts_images_and_takes_the_wall_off() -> None:
    images = compat_chain(away(1.3), PAPER)
    # 2 s long, 0.5 s apart, in 3.7 s: at 0, 0.5, 1 and 1.5 s.
    assert len(images) == 4
    starts = [image.time_s[0] for image in images]
    np.testing.assert_allclose(starts, 0.5 * np.arange(4) + 0.0161, atol=5e-3)
    for image in images:
        still = np.abs(image.velocity_mps) < 0.05  # the wall is 16 dB above the walker
        assert image.image[still].max() < image.image.max() - 15
    axis, time_s = pixel_axes(RADAR, PAPER)
    assert axis == pytest.approx(images[0].velocity_mps, abs=1e-5)
    assert axis[0] == pytest.approx(-8.06, abs=0.01)
    assert time_s[-1] - time_s[0] == pytest.approx(2 * 255 / 256)


@pytest.mark.parametrize("params", [GAITSADA, PAPER], ids=["gaitsada", "paper"])
def test_clips_and_what_was_lost(params: DspParams) -> None:
    clips, n_rejected = compat_clips(away(1.3), params)
    assert len(clips) == (1 if params is GAITSADA else 4)
    assert n_rejected == 0
    for clip in clips:
        assert clip.image.shape == (256, 256)
        assert clip.image.min() >= 0
        assert clip.image.max() == 1
        assert clip.quality == 1
        assert clip.direction == "away"
        assert clip.velocity_mps == pytest.approx(1.3, abs=0.06)
    broken = away(1.3)[:50] + away(1.3)[53:]  # 1.65 to 1.75 s never came
    clips, n_rejected = compat_clips(broken, replace(params, min_quality=0.0))
    assert n_rejected == 0
    some = [clip for clip in clips if clip.quality < 1]
    assert some
    for clip in some:
        assert (clip.image[:, ~clip.valid] == 0).all()
    strict, n_rejected = compat_clips(broken, replace(params, min_quality=0.999))
    assert n_rejected == len(clips) - len(strict) > 0


def test_refusals(caplog: pytest.LogCaptureFixture) -> None:
    short = walk(moving(1.4, 2.6), n_frames=60)  # 2 s; 1024 columns and a window are 2.4 s
    with pytest.raises(NoWalkError, match="short"):
        compat_chain(short, GAITSADA)
    with caplog.at_level("INFO"):
        assert compat_clips(short, GAITSADA) == ([], 1)
    assert "short" in caplog.text
    with pytest.raises(NoWalkError, match="does not cross"):
        compat_chain(away(1.3)[:60], GAITSADA)  # no further than 4 m
    with pytest.raises(NoWalkError, match="clip_s"):
        compat_chain(short, PAPER)
    for wrong in ({"image_size": 128}, {"planes": "stack"}, {"max_walkers": 2}):
        with pytest.raises(ParameterError, match=next(iter(wrong))):
            compat_chain(away(1.3), replace(GAITSADA, **wrong))  # type: ignore[arg-type]
    near = tiny_radar(n_samples=16, sample_rate_hz=312.5e3)  # 16 bins end at 2.7 m "published"
    with pytest.raises(ParameterError, match="range bins"):
        compat_chain(Tones(near, 2, []), GAITSADA)
    with pytest.raises(NoWalkError, match="no whole frame"):
        compat_chain([], PAPER)
