"""The layout of raw words, judged by their content and not by a file name.

Two independent signs tell the word orders apart, each in units of the difference that decides:

*Circularity.* Echoes are sums of complex tones, so the mean of z squared vanishes against the
mean of |z| squared. Words that are paired wrongly give an improper signal: two neighbouring I
words read as I and Q of one sample correlate with cos(2 pi f / fs). Real captures: 0.05 as they
are and 0.90 mispaired (IWR6843), 0.02 and 0.18 (AWR1642, echoes near fs / 4, the weakest case).

*Implied range.* Exchanging I and Q mirrors the range axis, and mispairing adds mirror images.
Echoes fall with the fourth power of range, so the reading that needs the smaller echo areas,
mean of (bin / bins)^4 over the energy above the noise, is the likelier one. Half an axis is not
enough to say so: a complex1x radar sees real targets beyond half its range too. The limit of
15 dB refuses a reading only if its energy lies beyond 0.7 of the axis and everything would be
near with I and Q exchanged. Real captures, right against exchanged: 33 dB and 20 dB. Simulated
walkers of both kinds of signal-to-noise in rooms whose back wall is at 0.76 of the axis: the right
reading was never more than 5 dB behind.

Noise alone shows neither sign, and then the configuration is believed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from capture.config import RadarConfig
from capture.errors import LayoutError
from capture.layouts import LAYOUTS, decode, default_layout, layouts_for

CIRCULARITY_LIMIT = 0.1
IMPLIED_RANGE_LIMIT_DB = 15.0
_TILE_CHIRPS = 8  # 64 KB of 4 antennas x 256 samples: cached, and not mapped anew each time
_TAPER_BINS = 2  # half width of the taper's main lobe
_HARDWARE_ORDERS = {"IIQQ": "IQ", "QQII": "QI", "four-lane": "IQ", "four-lane-QI": "QI"}


@dataclass(frozen=True, slots=True)
class LayoutVerdict:
    """Which word order a file has, and why.

    Attributes
    ----------
    layout : the likeliest layout; the configuration's own unless another one beats it clearly
    confirmed : whether every other layout is ruled out by the content
    scores : evidence for each layout that the radar's family can write, best one 0; a layout
        at -1 or below is contradicted
    evidence : what was measured, for people
    """

    layout: str
    confirmed: bool
    scores: dict[str, float]
    evidence: dict[str, str]

    def contradicts(self, layout: str) -> bool:
        """Whether the content clearly speaks against `layout`."""
        return self.scores.get(layout, 0.0) <= -1.0

    def check(self, layout: str, where: object = None) -> None:
        """Refuse `layout` when the content clearly speaks against it.

        Raises
        ------
        LayoutError
            With the layout that fits, the measurements, and what to change.
        """
        if not self.contradicts(layout):
            return
        order = _HARDWARE_ORDERS.get(self.layout)
        change = f'set iq_order = "{order}" in the radar configuration, or ' if order else ""
        raise LayoutError(
            "the samples are not in the order that the configuration says",
            where=where,
            got=f"{self.layout} ({self.evidence['circularity']}; {self.evidence['range']})",
            expected=layout,
            remedy=f"{change}pass the layout: {self.layout} to follow the content, {layout} to "
            "insist",
        )


def identify_layout(words: np.ndarray, config: RadarConfig, where: object = None) -> LayoutVerdict:
    """Tell the word order of raw chirps from their content.

    Parameters
    ----------
    words : int16 array, shape (n_chirps, words_per_chirp); chirps from all over the recording
    config : waveform and raw format; its own layout is believed unless contradicted
    where : what to call the recording in an error

    Returns
    -------
    LayoutVerdict

    Raises
    ------
    LayoutError
        Samples in offset binary (a TSW1400, or the recorder's MSBToggle).
    """
    refuse_offset_binary(words, where)
    own = default_layout(config)
    names = layouts_for(config)
    if len(names) == 1 or not words.any():
        reason = "only one layout is possible" if len(names) == 1 else "there is no signal"
        return LayoutVerdict(own, False, dict.fromkeys(names, 0.0), {"layout": reason})
    signs = _signs(words, names, config)
    scores = _scores(signs, words.size // 2)
    layout = _choose(own, scores)
    open_names = [name for name in names if name != layout and scores[name] > -1]
    return LayoutVerdict(
        layout=layout,
        confirmed=not open_names,
        scores={name: round(score, 2) for name, score in scores.items()},
        evidence=_evidence(layout, open_names, signs),
    )


def _choose(own: str, scores: dict[str, float]) -> str:
    """The configuration's layout unless contradicted; then the likeliest, its I/Q order if open."""
    if scores[own] > -1:
        return own
    same_order = [
        name
        for name, score in scores.items()
        if score > -1 and LAYOUTS[name].components == LAYOUTS[own].components
    ]
    return max(same_order or scores, key=scores.__getitem__)


@dataclass(frozen=True, slots=True)
class Signs:
    """What one reading of the words looks like.

    `improper` is |mean z^2| / mean |z|^2; `implied_db` the mean of (bin / bins)^4 over energy
    above the noise, None when nothing stands out; `sided_db` lower over upper half of the range.
    """

    improper: float
    implied_db: float | None
    sided_db: float

    @staticmethod
    def of(samples: np.ndarray) -> Signs:
        return Signs.both((samples[own] for own in _tiles(len(samples))), samples.shape[-1])[0]

    @staticmethod
    def both(tiles: Iterable[np.ndarray], n: int) -> tuple[Signs, Signs]:
        """Of the samples, and of those with I and Q exchanged, j conj(z): a mirrored spectrum.

        Tiles are (n_chirps, n_rx, n); one at a time stays in the cache.
        """
        taper = np.hanning(n + 2)[1:-1].astype(np.float32)
        # The mean of z^2 pairs every bin with its mirror image. Bins 0 and n / 2 are their own:
        # an echo there, or within the taper's width of there, looks improper however it is read.
        first = _TAPER_BINS + 1
        lower = slice(first, max(first, (n + 1) // 2 - _TAPER_BINS))
        upper = slice(-lower.start, -lower.stop, -1)
        squares, power, n_spectra = np.zeros(1, complex), np.zeros(n), 0
        for tile in tiles:
            tapered = (tile - tile.mean(axis=-1, keepdims=True)) * taper
            spectra = np.fft.fft(tapered)
            squares = squares + 2 * (spectra[..., lower] * spectra[..., upper]).sum(axis=(0, 2))
            power += (np.square(spectra.real) + np.square(spectra.imag)).sum(axis=(0, 1))
            n_spectra += spectra[..., 0].size
        energy = float(power[lower].sum() + power[upper].sum())
        improper = float(np.sum(np.abs(squares)) / energy) if energy else 0.0
        power /= max(1, n_spectra)
        mirrored = np.roll(power[::-1], 1)
        one, other = (
            Signs(improper, _implied_db(each, n_spectra), _sided_db(each))
            for each in (power, mirrored)
        )
        return one, other


def _tiles(n_chirps: int) -> Iterator[slice]:
    return (slice(start, start + _TILE_CHIRPS) for start in range(0, n_chirps, _TILE_CHIRPS))


def _signs(words: np.ndarray, names: tuple[str, ...], config: RadarConfig) -> dict[str, Signs]:
    """Signs of every layout; two that differ only in the order of I and Q share the work."""
    signs: dict[str, Signs] = {}
    for name in names:
        if name not in signs:
            pair = [other for other in names if LAYOUTS[other].loops == LAYOUTS[name].loops]
            tiles = (decode(words[own], name, config) for own in _tiles(len(words)))
            signs.update(zip(pair, Signs.both(tiles, config.n_samples), strict=True))
    return {name: signs[name] for name in names}


def _sided_db(power: np.ndarray) -> float:
    """Energy of the lower over that of the upper half of the range, without its ends."""
    n = len(power)
    lower, upper = power[1 : (n + 1) // 2].sum(), power[n // 2 + 1 :].sum()
    return float(10 * np.log10(lower / upper)) if lower and upper else 0.0


def _implied_db(power: np.ndarray, n_spectra: int) -> float | None:
    """Mean of (bin / bins)^4 over the energy of the bins that stand out of the noise, dB."""
    noise = np.median(power)
    # One spectrum's noise bin exceeds 16 medians once in 2^16; averaging narrows it.
    stands_out = power > noise * (1 + 15 / np.sqrt(n_spectra))
    if not stands_out.any():
        return None
    excess = np.where(stands_out, power - noise, 0.0)
    place = (np.arange(len(power)) + 0.5) / len(power)
    return float(10 * np.log10(np.sum(excess * place**4) / excess.sum()))


def _scores(signs: dict[str, Signs], n_samples: int) -> dict[str, float]:
    """Evidence against each reading in units of the deciding difference, best one 0."""
    circularity_limit = max(CIRCULARITY_LIMIT, 6 / np.sqrt(n_samples))
    least_improper = min(sign.improper for sign in signs.values())
    ranges = [sign.implied_db for sign in signs.values() if sign.implied_db is not None]
    raw = {}
    for name, sign in signs.items():
        raw[name] = (least_improper - sign.improper) / circularity_limit
        if sign.implied_db is not None:
            raw[name] += (min(ranges) - sign.implied_db) / IMPLIED_RANGE_LIMIT_DB
    best = max(raw.values())
    return {name: float(score - best) for name, score in raw.items()}


def _evidence(layout: str, open_names: list[str], signs: dict[str, Signs]) -> dict[str, str]:
    def listing(unit: str, values: dict[str, float | None], digits: int) -> str:
        shown = (
            f"{name} {'-' if value is None else f'{value:.{digits}f}{unit}'}"
            for name, value in values.items()
        )
        return ", ".join(shown)

    state = f"unconfirmed; not ruled out: {', '.join(open_names)}" if open_names else "confirmed"
    return {
        "layout": f"{layout} {state}",
        "circularity": "|mean z^2| / mean |z|^2 "
        + listing("", {k: s.improper for k, s in signs.items()}, 2),
        "range": "mean (bin / bins)^4 "
        + listing(" dB", {k: s.implied_db for k, s in signs.items()}, 1),
        "one-sided": "lower over upper half of the range "
        + listing(" dB", {k: s.sided_db for k, s in signs.items()}, 1),
    }


def refuse_offset_binary(words: np.ndarray, where: object = None) -> None:
    """Refuse samples whose zero is 2^15.

    Raises
    ------
    LayoutError
        More than 90 % of the words lie in the outer half of the int16 range, where a receiver
        that is not overdriven has none.
    """
    outer = np.mean((words >= 1 << 14) | (words < -(1 << 14))) if words.size else 0.0
    if outer > 0.9:
        raise LayoutError(
            "samples in offset binary, as a TSW1400 writes them (or a DCA1000 recorder with "
            "MSBToggle), not a DCA1000's two's complement",
            where=where,
            got=f"{outer:.0%} of the words beyond +-2^14",
            remedy="record with a DCA1000EVM and MSBToggle 0",
        )
