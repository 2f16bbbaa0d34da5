"""Recordings to ingest: what ingest asks of one, and raw files as such."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from capture.config import RadarConfig
from capture.file.recording import open_recording
from capture.formats.load import find_config, load_radar_config
from capture.types import FrameSource
from radarid.data.manifest import (
    FactFinder,
    Facts,
    RawRecording,
    check_series,
    group_files,
)
from radarid.errors import IngestError
from radarid.provenance import sha256_of

if TYPE_CHECKING:
    from capture.camera.reader import Camera


@dataclass(frozen=True)
class Identity:
    """What is known about a recording before its samples are processed.

    Attributes
    ----------
    content_id : equal for equal content, see `RecordingEntry.content_id`
    facts : who walked, when, in which walk
    radar : waveform and raw format
    """

    content_id: str
    facts: Facts
    radar: RadarConfig


class Recording(Protocol):
    """Something to ingest. It must be picklable: other processes open it."""

    @property
    def name(self) -> str:
        """What to call it."""
        ...

    def identify(self) -> Identity:
        """Find out what it is; may read all of it."""
        ...

    def open(self, identity: Identity) -> FrameSource:
        """Open its frames."""
        ...

    def has_camera(self, identity: Identity) -> bool:
        """Whether a camera looked on."""
        ...

    def open_camera(self, identity: Identity) -> Camera:
        """Open that camera's stream."""
        ...


@dataclass(frozen=True)
class RawFiles:
    """A recording in one or more .bin files.

    Attributes
    ----------
    raw : the files
    find_facts : where to look for who walked
    radar : configuration of all recordings for which the manifest names none; None looks for
        one beside the files
    layout : word order; None follows the configuration
    """

    raw: RawRecording
    find_facts: FactFinder
    radar: RadarConfig | None = None
    layout: str | None = None

    @property
    def name(self) -> str:
        """What to call it."""
        return self.raw.name

    def identify(self) -> Identity:
        """Hash the files and read what lies beside them."""
        check_series(self.raw)
        facts = self.find_facts(self.raw)
        if facts.radar is None and self.radar is not None:
            radar = self.radar
        else:
            radar = load_radar_config(facts.radar or find_config(self.raw.paths[0]))
        return Identity(f"sha256:{sha256_of(self.raw.paths)}", facts, radar)

    def open(self, identity: Identity) -> FrameSource:
        """Open the files as one stream of frames."""
        return open_recording(self.raw.paths, identity.radar, self.layout)

    def has_camera(self, identity: Identity) -> bool:
        """Whether a video or image folder is known."""
        return identity.facts.camera is not None

    def open_camera(self, identity: Identity) -> Camera:
        """Open the video or image folder."""
        from capture.camera.reader import open_camera

        if identity.facts.camera is None:
            raise IngestError("no camera file is known", where=self.name)
        return open_camera(identity.facts.camera)


def raw_files(
    paths: Iterable[Path],
    find_facts: FactFinder,
    radar: RadarConfig | None = None,
    layout: str | None = None,
) -> list[RawFiles]:
    """Return the recordings that lie in some files; parameters as those of `RawFiles`."""
    return [
        RawFiles(raw, find_facts.only_for(raw), radar, layout) for raw in group_files(paths)
    ]
