"""Losses as plug-ins: one small file each, found by name.

To add one, copy `cross_entropy.py`: declare `Options` and `requires`, give the formula, the paper
and its equations, return an unweighted 0-dim tensor; name the file in the import below. Write its
slow twin in `tests/naive/` and run `pytest tests/contract/test_loss_contract.py`, which goes over
every registered loss. A loss in another package is found through the entry-point group
`radarid.losses` (`tests/plugin_example/` is one). `radarid train --list-losses` prints them all.

| name            | paper                            | equations         |
|-----------------|----------------------------------|-------------------|
| `cross_entropy` | IdentityKD (MMAsia 2024)         | 5, and 15's text  |
| `contrastive`   | IdentityKD, after CCL's code     | 7-11, Table 5     |
| `identity_kd`   | IdentityKD, after CFA's code     | 12-14             |
| `jeffreys`      | CCL (CVPR 2021)                  | JSD of its code   |
| `kd`            | Hinton et al. 2015               | section 2         |
| `fitnet`        | FitNets (ICLR 2015)              | 3                 |
| `at`            | Attention transfer (ICLR 2017)   | 2                 |
| `rkd`           | RKD (CVPR 2019)                  | section 3.2       |
| `sp`            | Similarity-preserving (ICCV 2019)| 1-3               |
| `pkt`           | PKT (ECCV 2018)                  | section 3         |
| `cc`            | Correlation congruence (ICCV 19) | RepDistiller's    |
| `vid`           | VID (CVPR 2019)                  | section 2         |
| `mkd`           | MKD (AAAI 2023), our reading     | abstract          |
| `fskd`          | F-SKD (arXiv 2303.04681)         | stage-wise cosine |
| `norm_kd`       | F-SKD, its ablation              | Table 4           |
| `cosface`       | CosFace (CVPR 2018)              | 4                 |
| `arcface`       | ArcFace (CVPR 2019)              | 3                 |
| `fdcmkd`        | FD-CMKD (arXiv 2511.19887)       | 4-9               |
| `supcon`        | SupCon (NeurIPS 2020)            | 2                 |
| `feature_distill` | THz multi-task (Preprints 2026)| 11-12             |
| `logit_distill` | THz multi-task                   | 14                |
| `direction`     | THz multi-task                   | posture loss      |
| `charbonnier`   | THz multi-task                   | 5                 |
| `ssim`          | SSIM (IEEE TIP 2004)             | 13                |
| `lpips`         | LPIPS (CVPR 2018)                | 1                 |
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Mapping
from importlib import metadata
from typing import Any

from capture.schema import from_mapping
from radarid.errors import TrainError
from radarid.learn.losses import (  # noqa: F401 (they register)
    attention,
    contrastive,
    correlation,
    cross_entropy,
    direction,
    distill,
    fdcmkd,
    fitnet,
    fskd,
    identity_kd,
    jeffreys,
    kd,
    lpips,
    margin,
    margin_heads,
    pkt,
    reconstruction,
    rkd,
    similarity,
    ssim,
    supcon,
    vid,
)
from radarid.learn.losses.base import REGISTRY, Loss

ENTRY_POINTS = "radarid.losses"


@functools.cache
def _load_entry_points() -> None:
    for point in metadata.entry_points(group=ENTRY_POINTS):
        try:
            point.load()
        except (ImportError, AttributeError) as failure:
            raise TrainError(
                f"the loss plug-in '{point.name}' cannot be loaded: {failure}",
                where=point.value,
                remedy="mend or uninstall the package that offers it",
            ) from failure


def registered() -> Mapping[str, type[Loss]]:
    """Every loss by name: ours, and those of installed packages.

    Raises
    ------
    TrainError
        An installed plug-in cannot be loaded.
    """
    _load_entry_points()
    return REGISTRY


def build_loss(name: str, options: Mapping[str, Any] | None = None) -> Loss:
    """Build the loss called `name` with these options, read strictly.

    Raises
    ------
    TrainError
        No loss of this name.
    capture.errors.ConfigError
        An option that the loss does not have, or of the wrong type.
    """
    known = registered()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        raise TrainError(
            "no loss of this name",
            got=name,
            expected=f"one of {', '.join(sorted(known))}",
            remedy=f"did you mean '{near[0]}'?" if near else None,
        )
    cls = known[name]
    return cls(from_mapping(cls.Options, options or {}, where=f"loss {name}"))
