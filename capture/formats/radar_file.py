"""`RadarFile`: everything that one configuration file says, its waveforms and the rest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from capture.config import RadarConfig
from capture.formats.claims import Claims
from capture.formats.common import (
    Waveforms,
    build,
    tx_remarks,
    unused_remarks,
)


@dataclass(frozen=True, slots=True)
class RadarFile:
    """Content of a configuration file.

    Attributes
    ----------
    path : the file that holds the waveform
    configs : one waveform, or one a subframe
    claims : what the file says about derived values, one for every configuration
    remarks : what is odd about it and does not show in the configurations, for people
    """

    path: Path
    configs: tuple[RadarConfig, ...]
    claims: tuple[Claims, ...]
    remarks: tuple[str, ...] = ()


def radar_file(
    path: Path, waveforms: Waveforms, claims: Iterable[Claims], remarks: Iterable[str]
) -> RadarFile:
    """Build the configurations of a file and look for what its parts say against each other.

    Parameters
    ----------
    path : the file
    waveforms : its content
    claims : one for all subframes, or one each
    remarks : what the reader has found besides

    Raises
    ------
    ConfigError
        See `capture.formats.common.build`.
    """
    configs = build(waveforms, path)
    found = tuple(claims)
    if len(found) != len(configs):
        found = (found[0] if len(found) == 1 else Claims(),) * len(configs)
    more = (*tx_remarks(waveforms, configs), *unused_remarks(waveforms))
    return RadarFile(path, configs, found, (*remarks, *more))
