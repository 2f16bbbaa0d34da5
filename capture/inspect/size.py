"""Size and configuration disagree: which one field of the configuration explains it?

A capture's size is a product of counts, so several fields can explain a wrong one. The samples
know more: after how many words the echoes repeat is the length of a chirp, breaks in it separate
the antennas, pauses the frames, and the order of the words tells lanes and I/Q from real samples.
Every single change of the configuration that the size allows is held against these measurements;
what they contradict is dropped, and a field is called certain only if they confirm it and leave no
other one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from capture.config import RadarConfig
from capture.errors import ConfigError
from capture.file.hsi import HsiHeader, read_header
from capture.inspect.blind import judge_words
from capture.inspect.structure import Structure, measure_structure
from capture.layouts import LAYOUTS, default_layout

_CUT = "cut off"
_SURE_STRENGTH, _ALIKE, _RULED_OUT = 0.2, 0.7, -2.5


@dataclass(frozen=True, slots=True)
class Change:
    """One change of the configuration that would make it fit a file.

    Attributes
    ----------
    field : name of the field; 'cut off' when no field is wrong but the file ends inside a frame
    value : what it would have to be, as text
    n_frames : whole frames the file then holds
    n_confirmed : measurements of the content that agree with it and not with the configuration
    """

    field: str
    value: str
    n_frames: int
    n_confirmed: int = 0

    def __str__(self) -> str:
        frames = f"{self.n_frames} whole frame{'s' * (self.n_frames != 1)}"
        if self.field == _CUT:
            return f"a recording {_CUT} inside a frame, after {frames}"
        return f"{self.field} = {self.value} (then {frames})"


@dataclass(frozen=True, slots=True)
class SizeVerdict:
    """What explains a size that does not fit.

    Attributes
    ----------
    changes : likeliest first, at most one a field; empty when size and content fit as they are
    certain : whether the content confirms the first one and rules every other field out
    contradicted : whether the content speaks against the configuration as it is
    blocks_of : chirps that lie together in blocks, one antenna after the other; None for chirps
        stored one by one
    """

    changes: tuple[Change, ...] = ()
    certain: bool = False
    contradicted: bool = False
    blocks_of: int | None = None

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields that may be wrong, likeliest first."""
        return tuple(change.field for change in self.changes)

    def __str__(self) -> str:
        texts = [str(change) for change in self.changes]
        if not texts:
            reason = (
                "the echoes do not repeat as the configuration says, and no one field explains it"
            )
            return reason if self.contradicted else ""
        if self.certain:
            return f"the content says {texts[0]}"
        if len(texts) == 1:
            return f"possibly {texts[0]}"
        return "; or ".join(texts)


@dataclass(frozen=True, slots=True)
class Content:
    """What the words of a recording say about its format.

    Attributes
    ----------
    structures : by lanes and whether samples are complex, what repeats when read so; readings
        that are ruled out are missing
    header : of the first chirp, None without HSI headers
    """

    structures: dict[tuple[int, bool], Structure]
    header: HsiHeader | None = None

    @staticmethod
    def of(words: np.ndarray) -> Content:
        """Measure words from the start of a recording on, int16 (n,)."""
        header = read_header(words[:32])
        if header is not None:
            words = header.strip(words)
        names = list(LAYOUTS)
        if words.any():
            ranked, _ = judge_words(words)
            names = [reading.name for reading in ranked if reading.score > _RULED_OUT]
        structures: dict[tuple[int, bool], Structure] = {}
        for name in names:
            family = _family(name)
            if family not in structures:
                structures[family] = measure_structure(words, name)
        return Content(structures, header)

    def judge(self, config: RadarConfig) -> tuple[bool, frozenset[str]]:
        """Whether a configuration is possible, and what was measured just as it says."""
        if config.hsi_header != (self.header is not None):
            return False, frozenset()
        if self.header is not None and self.header.n_bytes != config.stored_chirp_bytes:
            return False, frozenset()
        layout = default_layout(config)
        found = self.structures.get(_family(layout))
        if found is None:
            return False, frozenset()
        agreed = {"layout"} if len(self.structures) == 1 else set()
        if self.header is not None:
            agreed |= {"header"} if not self.header.differences(config) else set()
        if found.period_words is None or found.row_words is None:
            return True, frozenset(agreed)
        n_definitions, per_chirp = len(config.chirps), config.words_per_chirp
        chirps_per_period, rest = divmod(found.period_words, per_chirp)
        if self.blocks_of(config):
            return True, frozenset(agreed)
        loop = found.likeness(n_definitions * per_chirp)
        unlike = loop is not None and loop < _ALIKE * found.strength
        if rest or unlike:
            return found.strength < _SURE_STRENGTH, frozenset(agreed)
        if chirps_per_period in {1, n_definitions}:
            agreed.add("period")
        row = per_chirp // config.n_stored_rx if config.n_lanes == 2 else per_chirp
        if found.row_words % row:
            return False, frozenset(agreed)
        if found.row_words == row:
            agreed.add("row")
        if found.frame_periods:
            if found.frame_periods * chirps_per_period != config.n_chirps:
                return False, frozenset(agreed)
            agreed.add("frame")
        return True, frozenset(agreed)

    def blocks_of(self, config: RadarConfig) -> int | None:
        """Chirps that the firmware stored together, antenna by antenna; None for one by one.

        adcbufCfg with a chirp threshold above 1 fills the ADC buffer (up to 8 chirps) and sends it
        as it lies there: all its chirps of the first antenna, then of the next.
        """
        found = self.structures.get(_family(default_layout(config)))
        if found is None or found.period_words is None or config.n_lanes == 4:
            return None
        n_chirps, rest = divmod(found.period_words, config.words_per_chirp)
        n_definitions = len(config.chirps)
        row = n_definitions * config.words_per_chirp // config.n_rx
        loop, beside = found.likeness(row * config.n_rx), found.likeness(row)
        stored_so = not rest and 1 < n_chirps <= 8 and n_chirps != n_definitions
        if not stored_so or loop is None or beside is None or config.n_rx == 1:
            return None
        return n_chirps if loop < _ALIKE * found.strength < beside else None


def explain_size(n_bytes: int, config: RadarConfig, words: np.ndarray | None = None) -> SizeVerdict:
    """Single changes of a configuration with which it fits a file.

    Parameters
    ----------
    n_bytes : size of the payload
    config : the configuration that may not fit
    words : int16 array, from the start of the payload on (a million are enough); None judges by
        the size alone

    Returns
    -------
    SizeVerdict; without changes when the file holds whole frames, as many as `n_frames` says if it
    says so, and the content does not contradict the configuration
    """
    content = None if words is None or config.subframe is not None else Content.of(words)
    own_fits, own_agreed = (True, frozenset()) if content is None else content.judge(config)
    n_own, rest = divmod(n_bytes, config.stored_frame_bytes)
    blocks_of = content.blocks_of(config) if content else None
    if own_fits and not rest and n_own and config.n_frames in {0, n_own}:
        return SizeVerdict(blocks_of=blocks_of)
    found: list[Change] = []
    for field, candidates in _single_changes(config, n_bytes).items():
        best = None
        for value, changed in candidates:
            change = _fit(n_bytes, config, field, value, changed, content, own_agreed)
            if change and (best is None or change.n_confirmed > best.n_confirmed):
                best = change
        if best:
            found.append(best)
    if own_fits and n_own and rest:
        found.append(Change(_CUT, "", n_own))
    if own_fits and not rest and config.n_frames not in {0, n_own} and n_own:
        found.append(Change("n_frames", str(n_own), n_own))
    found.sort(key=lambda change: -change.n_confirmed)
    if not found and content is not None and (rest or config.n_frames not in {0, n_own}):
        by_size = [c for c in explain_size(n_bytes, config).changes if own_fits or c.field != _CUT]
        return SizeVerdict(tuple(by_size), False, not own_fits, blocks_of)
    certain = len(found) == 1 and found[0].n_confirmed > 0 and not own_fits
    return SizeVerdict(tuple(found), certain, not own_fits, blocks_of)


def _fit(
    n_bytes: int,
    config: RadarConfig,
    field: str,
    value: str,
    changed: RadarConfig,
    content: Content | None,
    own_agreed: frozenset[str],
) -> Change | None:
    """The change, if size and content allow it."""
    n_frames, rest = divmod(n_bytes, changed.stored_frame_bytes)
    if rest or not n_frames or config.n_frames not in {0, n_frames}:
        return None
    if content is None:
        return Change(field, value, n_frames)
    possible, agreed = content.judge(changed)
    return Change(field, value, n_frames, len(agreed - own_agreed)) if possible else None


def _family(layout: str) -> tuple[int, bool]:
    return LAYOUTS[layout].n_lanes, bool(LAYOUTS[layout].components)


def _single_changes(
    config: RadarConfig, n_bytes: int
) -> dict[str, Iterator[tuple[str, RadarConfig]]]:
    """Field name -> (value as text, configuration with it), nearest values first."""

    # The frame only has to be long enough: its period is no part of the size.
    longer = dataclasses.replace(config, frame_period_s=1e3)
    plain = not config.hsi_header and config.subframe is None

    def variants(field: str, values: list[Any], show: str = "{}") -> Iterator[tuple[str, Any]]:
        for value in values:
            try:
                yield show.format(value), dataclasses.replace(longer, **{field: value})
            except ConfigError:
                continue  # a waveform that cannot be is no explanation

    def nearest(limit: int, value: int, step: int = 1) -> list[int]:
        others = [n for n in range(step, limit + 1, step) if n != value]
        if plain:  # a frame's bytes are a multiple of each count then
            others = [n for n in others if n_bytes % n == 0]
        return sorted(others, key=lambda n: abs(n - value))

    masks = [(1 << n) - 1 for n in (4, 2, 1, 3) if n != config.n_rx]
    loop = config.chirps
    lengths = [(loop * 12)[:n] for n in range(1, 13) if n != len(loop)]
    return {
        "n_loops": variants("n_loops", nearest(255, config.n_loops)),
        "rx_mask": variants("rx_mask", masks if config.n_lanes == 2 else [], "{:#x}"),
        "n_samples": variants("n_samples", nearest(2048, config.n_samples, step=2)),
        "adc_format": variants(
            "adc_format", ["real" if config.is_complex else "complex1x"], "'{}'"
        ),
        "chirps": (
            (f"{len(changed.chirps)} definitions", changed)
            for _, changed in variants("chirps", lengths)
        ),
        "n_lanes": variants("n_lanes", [6 - config.n_lanes]),
        "hsi_header": variants("hsi_header", [not config.hsi_header]),
    }
