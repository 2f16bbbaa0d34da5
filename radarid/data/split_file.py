"""What is written about a split: which clips and recordings serve what, and a fingerprint."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from capture.schema import to_mapping
from radarid.data.splits import PARTS, Split
from radarid.data.store import GaitStore
from radarid.data.tables import ClipTable
from radarid.errors import SplitError


def data_fingerprint(table: ClipTable, split: Split) -> str:
    """First 16 hex digits of a hash of the clip table and of who serves what."""
    digest = hashlib.sha256()
    for column in (table.subject, table.session, table.take, table.recording, table.start_s):
        digest.update(repr(column.tolist()).encode())
    for part in PARTS:
        digest.update(repr(getattr(split, part).tolist()).encode())
    return digest.hexdigest()[:16]


def split_facts(store: GaitStore, split: Split) -> dict[str, Any]:
    """Everything about a split of a store, ready for JSON; what split.json of a run holds.

    Returns
    -------
    dict
        `Split.report`, `params` it was made from, `data` (see `data_fingerprint`), `rows` of the
        clip table and names of `recordings` in each part.
    """
    table, names = store.table(), [entry.name for entry in store.recordings()]
    return split.report() | {
        "params": to_mapping(split.params),
        "data": data_fingerprint(table, split),
        "rows": {part: getattr(split, part).tolist() for part in PARTS},
        "recordings": {
            part: sorted({names[row] for row in table.recording[getattr(split, part)]})
            for part in PARTS
        },
    }


def save_split(path: Path, store: GaitStore, split: Split) -> None:
    """Write `split_facts` into a new JSON file.

    Raises
    ------
    SplitError
        The file exists, or cannot be made.
    """
    text = json.dumps(split_facts(store, split), indent=2) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        raise SplitError("exists already", where=path, remedy="choose another path") from None
    except OSError as failure:
        reason = os.strerror(failure.errno or 0)
        raise SplitError(f"cannot be written: {reason}", where=path) from None


def counts_by_subject(
    table: ClipTable, split: Split
) -> dict[str, dict[str, dict[str, int]]]:
    """Clips and walks of everybody in each part: subject -> part -> `n_clips`, `n_groups`."""
    groups = np.array(["\x1f".join(group) for group in table.groups])
    found: dict[str, dict[str, dict[str, int]]] = {
        str(name): {} for name in np.unique(table.subject)
    }
    for part in PARTS:
        rows = getattr(split, part)
        for name in np.unique(table.subject[rows]):
            own = rows[table.subject[rows] == name]
            counts = {"n_clips": len(own), "n_groups": len(np.unique(groups[own]))}
            found[str(name)][part] = counts
    return found
