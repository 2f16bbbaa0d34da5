"""The layout of raw words without a configuration: which of all eight readings makes sense.

Each reading claims something that the wrong ones break, in units of the words' own power:

*Complex samples are proper.* Echoes are sums of complex tones, so the mean of z(n) z(n + l)
vanishes for every lag l. Words that are paired wrongly correlate.

*Real samples are stationary.* The mean of x(n) x(n + l) is the same wherever n is. Words that
are I here and Q there differ from place to place.

I and Q exchanged is a mirror image that breaks neither; there the range that the echoes imply
decides, with the limit that `capture.inspect.layout` explains, or nothing does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capture.inspect.layout import CIRCULARITY_LIMIT, IMPLIED_RANGE_LIMIT_DB, Signs
from capture.inspect.structure import Structure, measure_structure, one_antenna
from capture.layouts import LAYOUTS, decode

TWINS = {"IIQQ": "QQII", "IQIQ": "QIQI", "four-lane": "four-lane-QI"}
"""Readings that differ in the order of I and Q only."""
TWINS |= {second: first for first, second in TWINS.items()}
_BLOCK, _N_WORDS = 64, 1 << 18
_MIN_PERIODS, _MOVING_LIMIT, _COHERENT = 16, 0.05, 0.2
_LAGS = range(0, 9)


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One reading of the words.

    Attributes
    ----------
    name : layout
    score : 0 for the best reading; at -1 and below a reading is ruled out
    evidence : what was measured
    """

    name: str
    score: float
    evidence: str


def rank_layouts(
    words: np.ndarray, period_words: int | None = None, row_words: int | None = None
) -> tuple[Hypothesis, ...]:
    """Score every layout on some words, best first.

    Parameters
    ----------
    words : int16 array, one after the other from the start of a chirp on; sign-extended; the
        first quarter of a million is looked at
    period_words : after how many words the echoes repeat, where that is known
    row_words : words of one antenna's samples in one chirp, where they are known to lie in rows

    Returns
    -------
    One hypothesis a layout; all 0 where the words hold no signal

    Notes
    -----
    What moves has another phase in every chirp, so that chance averages out of its mispairing;
    what stands still keeps the phases it happens to have. Both are asked where they can be told
    apart.
    """
    words = words[:_N_WORDS]
    limit = max(CIRCULARITY_LIMIT, 12 / np.sqrt(max(len(words), 1)))
    broken = _claims_broken(words, limit)
    least = min(broken.values())
    scores = {name: (least - value) / limit for name, value in broken.items()}
    if period_words and len(words) >= _MIN_PERIODS * period_words:
        moving = _claims_broken(_moving(words, period_words), _MOVING_LIMIT)
        least = min(moving.values())
        scores = {name: scores[name] + (least - moving[name]) / _MOVING_LIMIT for name in scores}
    implied = {name: _implied_db(words, name, row_words) for name in TWINS}
    found = []
    for name, score in scores.items():
        text = f"mispairing {broken[name]:.2f}"
        own, other = implied.get(name), implied.get(TWINS.get(name, ""))
        if own is not None and other is not None:
            score += min(0.0, other - own) / IMPLIED_RANGE_LIMIT_DB
            text += f", implied range {own:.0f} dB (I and Q exchanged: {other:.0f} dB)"
        found.append((name, score, text))
    best = max(score for _, score, _ in found)
    return tuple(
        Hypothesis(name, round(float(score - best), 2), text)
        for name, score, text in sorted(found, key=lambda item: -item[1])
    )


def judge_words(words: np.ndarray) -> tuple[tuple[Hypothesis, ...], Structure]:
    """Score every layout with what repeats in the words, which the likeliest reading shows.

    Returns
    -------
    hypotheses as of `rank_layouts`, and the structure in the best one
    """
    first = rank_layouts(words)[0].name
    structure = measure_structure(words, first)
    ranked = rank_layouts(words, structure.period_words, structure.row_words)
    if ranked[0].name not in {first, TWINS.get(first)}:
        structure = measure_structure(words, ranked[0].name)
    return ranked, structure


def _moving(words: np.ndarray, period_words: int) -> np.ndarray:
    """Words less what all periods have in common, as fine as int16 can be."""
    n_periods = len(words) // period_words
    periods = words[: n_periods * period_words].reshape(n_periods, period_words).astype(np.float32)
    periods -= periods.mean(axis=0)
    scale = 30_000 / max(float(np.abs(periods).max()), 1.0)
    return np.rint(periods * scale).astype(np.int16).ravel()


def _claims_broken(words: np.ndarray, limit: float) -> dict[str, float]:
    """How far each layout breaks its claim, with what a simpler one explains held against it."""
    broken = {name: _broken(words, name) for name in LAYOUTS}
    simple = min((value, name) for name, value in broken.items() if name != "four-lane-real")
    # Any series repeats its pattern every four words; a reading that claims more and nearly
    # holds is no coincidence, unless there is little but noise, which holds every claim.
    if _coherence(words, simple[1]) > _COHERENT:
        broken["four-lane-real"] += limit * (simple[0] < limit) + limit * (simple[0] < 3 * limit)
    silent = (words[: len(words) // 4 * 4].reshape(-1, 4) == 0).all(axis=0)
    if silent.any() and not silent.all():
        for name in broken:
            broken[name] += 10 * limit * (LAYOUTS[name].n_lanes == 2)
    return broken


def open_readings(hypotheses: tuple[Hypothesis, ...]) -> list[str]:
    """Names of the layouts that are not ruled out, likeliest first."""
    return [hypothesis.name for hypothesis in hypotheses if hypothesis.score > -1]


def _blocks(words: np.ndarray, name: str, n_samples: int) -> np.ndarray:
    """Samples in blocks as if each were a chirp, (n_blocks, n_streams, n_samples), no means."""
    config = one_antenna(name, n_samples)
    n_blocks = len(words) // config.words_per_chirp
    n_words = config.words_per_chirp
    used = words[: n_blocks * n_words].reshape(n_blocks, n_words)
    samples = decode(used, name, config)
    return np.asarray(samples - samples.mean(axis=2, keepdims=True))


def _broken(words: np.ndarray, name: str) -> float:
    """How far a reading breaks its claim, 0 to about 1."""
    n_words_per_block = one_antenna(name, _BLOCK).words_per_chirp
    if len(words) < 4 * n_words_per_block:
        return 0.0
    samples = _blocks(words, name, _BLOCK)
    power = float(np.mean(np.abs(samples) ** 2))
    if not power:
        return 0.0
    turns = (1, 2) if name == "real" else (2,)
    signs = [_unevenness(samples, lag, turns) for lag in _LAGS]
    if LAYOUTS[name].components:
        signs += [_pseudo_covariance(samples, lag) for lag in _LAGS]
    return max(signs) / power


def _coherence(words: np.ndarray, name: str) -> float:
    """How much of the power goes on from sample to sample, 0 (noise) to 1 (tones)."""
    samples = _blocks(words, name, _BLOCK)
    power = float(np.mean(np.abs(samples) ** 2)) if samples.size else 0.0
    if not power:
        return 0.0
    lags = [samples[..., :-lag].conj() * samples[..., lag:] for lag in range(1, 5)]
    return max(float(np.abs(products.mean(axis=(0, 2))).mean()) for products in lags) / power


def _pseudo_covariance(samples: np.ndarray, lag: int) -> float:
    """|mean z(n) z(n + lag)| over everything."""
    products = samples[..., : _BLOCK - lag] * samples[..., lag:]
    return float(abs(products.mean(axis=(0, 1)) @ _taper(_BLOCK - lag)))


def _unevenness(samples: np.ndarray, lag: int, turns: tuple[int, ...]) -> float:
    """How much mean z*(n) z(n + lag) differs between the places in groups of four samples."""
    n = _BLOCK - 8
    taper = _taper(n)
    products = samples[..., :n].conj() * samples[..., lag : lag + n]
    mean = products.mean(axis=0)
    waves = [taper * np.exp(2j * np.pi * k * np.arange(n) / 4) for k in turns]
    return max(float(np.abs(mean @ wave).mean()) for wave in waves)


def _taper(n: int) -> np.ndarray:
    """Weights that sum to 1 and let no tone in from beside."""
    weights = np.hanning(n + 2)[1:-1]
    return np.asarray(weights / weights.sum())


def _implied_db(words: np.ndarray, name: str, row_words: int | None) -> float | None:
    config = one_antenna(name, _BLOCK)
    n_samples = _BLOCK
    if row_words:
        n_samples = max(2, row_words * _BLOCK // config.words_per_chirp // 2 * 2)
    samples = _blocks(words, name, n_samples)
    return Signs.of(samples).implied_db if len(samples) else None
