"""Chirps and frames found in the words themselves: what a recording repeats, and where it breaks.

*Repetition.* Whatever stands still answers every chirp alike, so the samples correlate with
themselves one chirp (or one loop of unlike chirps) later. The lag is found without a configuration.

*Rows.* The echo of a chirp is a sum of tones, which a linear predictor foretells; where the next
antenna's samples begin it fails. The failures, averaged over all repetitions, show the antennas.

*Frames.* Between frames the radar pauses, and what moves has moved on further than from chirp to
chirp: the difference of two chirps is larger there.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from capture.config import RadarConfig
from capture.layouts import LAYOUTS, decode

MAX_WORDS = 1 << 19
"""Words of which a recording's structure is measured; more add nothing."""
_MIN_LAG, _MAX_LAG = 32, 1 << 15
_N_TAPS = 8
_CLEAR_JOINT = 8.0


@dataclass(frozen=True, slots=True)
class Structure:
    """What repeats in a row of words read in one layout.

    Attributes
    ----------
    period_words : words after which the still part of the scene repeats: one chirp, or one loop of
        unlike chirps; None when nothing repeats
    strength : correlation at that distance, 0 to 1
    row_words : words from one antenna's samples to the next antenna's in the same chirp, as far as
        it shows; equal to `period_words` when no break inside a period was found
    frame_periods : periods from one frame to the next; None when no pause shows
    joint : how clearly the pauses stand out, in standard deviations
    correlation : float array, correlation after 0, 1, 2, .. samples
    words_per_sample : words that one of these samples takes
    """

    period_words: int | None = None
    strength: float = 0.0
    row_words: int | None = None
    frame_periods: int | None = None
    joint: float = 0.0
    correlation: np.ndarray = field(default_factory=lambda: np.zeros(0), repr=False)
    words_per_sample: int = 1

    def likeness(self, n_words: int) -> float | None:
        """Correlation of the samples with those `n_words` later; None beyond what was measured."""
        lag, rest = divmod(n_words, self.words_per_sample)
        return None if rest or lag >= len(self.correlation) else float(self.correlation[lag])


def measure_structure(words: np.ndarray, layout: str) -> Structure:
    """Find chirps, antennas and frames without a configuration.

    Parameters
    ----------
    words : int16 array, one after the other from the start of a chirp on
    layout : how to read them; the order of I and Q does not matter

    Returns
    -------
    Structure
    """
    streams = read_streams(words[:MAX_WORDS], layout)
    per_sample = words_per_sample(layout)
    correlation = _correlation(streams)
    period, strength = _repetition(correlation, streams.size)
    if period is None:
        return Structure()
    n_periods = streams.shape[1] // period
    chirps = streams[:, : n_periods * period].reshape(len(streams), n_periods, period)
    row = period if len(streams) > 1 else period // _n_rows(chirps[0])
    frame, joint = find_frames(chirps.transpose(1, 0, 2).reshape(n_periods, -1))
    return Structure(
        period * per_sample, strength, row * per_sample, frame, joint, correlation, per_sample
    )


def words_per_sample(layout: str) -> int:
    """Words of one sample: of one antenna on two lanes, of all four on four lanes."""
    components = 2 if LAYOUTS[layout].components else 1
    return components * (4 if LAYOUTS[layout].n_lanes == 4 else 1)


def read_streams(words: np.ndarray, layout: str) -> np.ndarray:
    """Words as samples one after the other, as if they were one long chirp.

    Returns
    -------
    complex64 array, shape (1, n) for two lanes, (4, n) for four; less the mean of each row
    """
    config = one_antenna(layout, n_samples=2)
    n_groups = len(words) // config.words_per_chirp
    groups = words[: n_groups * config.words_per_chirp].reshape(n_groups, config.words_per_chirp)
    samples = decode(groups, layout, config).transpose(1, 0, 2).reshape(config.n_rx, -1)
    return np.asarray(samples - samples.mean(axis=1, keepdims=True)) if n_groups else samples


def one_antenna(layout: str, n_samples: int) -> RadarConfig:
    """A configuration of `n_samples` and one antenna (four of four-lane parts) in a layout."""
    lanes = LAYOUTS[layout].n_lanes
    return RadarConfig(
        n_samples=n_samples,
        rx_mask=0b1111 if lanes == 4 else 1,
        n_lanes=4 if lanes == 4 else 2,
        adc_format="complex1x" if LAYOUTS[layout].components else "real",
        n_loops=1,
    )


def _correlation(streams: np.ndarray) -> np.ndarray:
    """|correlation| of the samples with later ones, float (n_lags,); empty for too few of them."""
    n = streams.shape[1]
    n_lags = min(_MAX_LAG, n // 3)
    if n_lags <= 2 * _MIN_LAG or not streams.any():
        return np.zeros(0)
    size = 1 << (n + n_lags - 1).bit_length()
    power = np.sum([np.abs(np.fft.fft(stream, size)) ** 2 for stream in streams], axis=0)
    products = np.abs(np.fft.ifft(power))[:n_lags]
    return np.asarray(products / products[0] * (n / (n - np.arange(n_lags))))


def _repetition(correlation: np.ndarray, n_samples: int) -> tuple[int | None, float]:
    """The shortest lag with nearly the strongest correlation, samples; its correlation."""
    if not len(correlation):
        return None, 0.0
    even = correlation[_MIN_LAG::2]  # TI's samples per chirp are even
    uncertainty = 1 / np.sqrt(n_samples)
    best = float(even.max())
    if best < max(0.03, 8 * uncertainty):
        return None, best
    high = even >= best - max(0.03 * best, 3 * uncertainty)
    start = int(np.argmax(high))
    stop = start + int(np.argmin(high[start:])) if not high[start:].all() else len(high)
    peak = start + int(np.argmax(even[start:stop]))
    if peak in (0, len(even) - 1):  # the flank of lag 0, or of a peak beyond the last lag
        return None, best
    return _MIN_LAG + 2 * peak, float(even[peak])


def _n_rows(chirps: np.ndarray) -> int:
    """Into how many equal rows breaks divide a period, complex (n_periods, period) -> count."""
    mean = chirps.mean(axis=0)
    period = len(mean)
    if period < 8 * _N_TAPS:
        return 1
    past = np.lib.stride_tricks.sliding_window_view(mean, _N_TAPS)[:-1]
    gram = past.conj().T @ past
    ridge = 1e-4 * np.trace(gram).real / _N_TAPS + 1e-12
    weights = np.linalg.solve(gram + ridge * np.eye(_N_TAPS), past.conj().T @ mean[_N_TAPS:])
    failure = np.zeros(period)
    failure[_N_TAPS:] = np.abs(mean[_N_TAPS:] - past @ weights) ** 2
    # A break spoils the predictions until the taps have passed it.
    burst = np.convolve(failure, np.ones(_N_TAPS))[_N_TAPS - 1 :]
    usual = np.median(burst)
    breaks = burst > 6 * usual
    for n_rows in (12, 8, 6, 4, 3, 2):
        if period % (2 * n_rows) or period // n_rows < 2 * _N_TAPS:
            continue
        if breaks[period // n_rows * np.arange(1, n_rows)].all():
            return n_rows
    return 1


def find_frames(chirps: np.ndarray) -> tuple[int | None, float]:
    """Find the pauses between frames.

    Parameters
    ----------
    chirps : complex array, shape (n_chirps, n_values); like chirps at equal intervals

    Returns
    -------
    chirps from one pause to the next, None where no pause shows; how clearly the chirps beside
    pauses differ more than others, in standard deviations
    """
    n_chirps = len(chirps)
    if n_chirps < 6:
        return None, 0.0
    differences = np.abs(np.diff(np.fft.fft(chirps, axis=1), axis=0)) ** 2
    by_bin = differences.mean(axis=0)
    loud = by_bin > 3 * np.median(by_bin)  # the ranges at which something moves
    change = np.log(differences[:, loud if loud.any() else slice(None)].mean(axis=1) + 1e-9)
    # Walking swells and ebbs over many chirps; a pause is a single large change among them.
    excess = np.convolve(change, [-0.5, 1, -0.5], "same")
    excess[[0, -1]] = 0
    excess = np.clip(excess / max(1.4826 * float(np.median(np.abs(excess))), 1e-3), -10, 10)
    best, clearest = None, 0.0
    for n in range(2, n_chirps // 2 + 1):
        is_joint = np.zeros(len(excess), np.bool_)
        is_joint[n - 1 :: n] = True
        clear = _t_value(excess[is_joint], excess[~is_joint])
        if clear > clearest and np.quantile(excess[is_joint], 0.3) > 0.4:
            best, clearest = n, clear
    return (best, clearest) if clearest > _CLEAR_JOINT else (None, clearest)


def _t_value(joints: np.ndarray, others: np.ndarray) -> float:
    """By how many of its standard deviations the mean of `joints` is above that of `others`."""
    n = len(joints) + len(others)
    variance = (joints.var() * len(joints) + others.var() * len(others)) / n
    deviation = np.sqrt((variance + 1e-2) * (1 / len(joints) + 1 / len(others)))
    return float((joints.mean() - others.mean()) / deviation)
