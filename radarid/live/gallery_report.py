"""What a gallery holds, in words and as JSON, and what its decisions are worth."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from capture.schema import to_mapping
from radarid.data.private_file import create_private
from radarid.live.gallery import Gallery
from radarid.live.matcher import Matcher, Threshold


@dataclass(frozen=True)
class Report:
    """What `verify` found.

    Attributes
    ----------
    subjects : the enrolled
    threshold : of the matcher; None while nobody is enrolled
    remarks : what somebody should know or do
    """

    subjects: tuple[str, ...]
    threshold: Threshold | None
    remarks: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def people(gallery: Gallery) -> list[dict[str, Any]]:
    """One plain table a person: templates, clips, days, directions."""
    rows = []
    for name in gallery.subjects:
        own = gallery.templates.of([name])
        rows.append({
            "subject": name,
            "n_templates": len(own),
            "n_clips": int(own.n_clips.sum()),
            "sessions": sorted(set(own.session.tolist())),
            "directions": sorted(set(own.direction.tolist())),
        })  # fmt: skip
    return rows


def export(gallery: Gallery, out: Path, name: str | None = None) -> None:
    """Write templates as JSON that only its owner can read.

    Parameters
    ----------
    gallery : whose templates
    out : a file that is not there yet
    name : only this person's; None for everybody's

    Raises
    ------
    GalleryError
        Nobody of this name is enrolled.
    StoreError
        The file exists, or cannot be made.
    """
    templates = gallery.templates
    if name is not None:
        gallery.check_enrolled(name)
        templates = templates.of([name])
    create_private(out)
    table = {
        "student": gallery.model,
        "key": gallery.key_id or None,
        "radar": to_mapping(gallery.radar),
        "dsp": to_mapping(gallery.dsp),
        "templates": [
            {
                "subject": str(templates.subject[k]),
                "session": str(templates.session[k]),
                "direction": str(templates.direction[k]),
                "recording": str(templates.recording[k]),
                "n_clips": int(templates.n_clips[k]),
                "embedding": templates.embedding[k].tolist(),
            }
            for k in range(len(templates))
        ],
    }
    out.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


def verify(gallery: Gallery, path: Path) -> Report:
    """Say what the decisions of a gallery are worth.

    Parameters
    ----------
    gallery : as read from `path`, which checks its content
    path : whose access rights are looked at

    Raises
    ------
    GalleryError
        Its background cannot say what strangers look like.
    """
    remarks = []
    if os.name == "posix" and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        remarks.append(f"others can read it: chmod 600 {path}")
    if not gallery.subjects:
        return Report((), None, (*remarks, "nobody is enrolled"))
    # Templates and background are projected alike: only probes need the key.
    threshold = Matcher(replace(gallery, key_id="")).threshold
    if threshold.source == "trained on":
        remarks.append("strangers are judged by people that the student was trained on: it will "
                       "take more strangers for somebody than stated")  # fmt: skip
    if threshold.interval[1] > 2 * threshold.wanted:
        remarks.append(f"{threshold.calibration.n_strangers} walks of strangers are few to "
                       f"promise {threshold.wanted:.1%} false accepts")  # fmt: skip
    return Report(gallery.subjects, threshold, (*remarks, *_look_alikes(gallery)))


def _look_alikes(gallery: Gallery) -> list[str]:
    """Templates that are more like another person's than like their own person's others."""
    templates = gallery.templates
    cosine = templates.embedding.astype(np.float64) @ templates.embedding.T
    np.fill_diagonal(cosine, -np.inf)
    remarks = []
    for k, name in enumerate(templates.subject):
        own = templates.subject == name
        if own.sum() > 1 and not own.all():
            nearest = int(np.argmax(cosine[k]))
            if not own[nearest]:
                remarks.append(
                    f"a walk of {name} ({templates.session[k]}, {templates.direction[k]}) is more "
                    f"like {templates.subject[nearest]} than like {name}'s others"
                )
    return remarks
