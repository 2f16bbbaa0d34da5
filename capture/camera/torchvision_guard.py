"""Import torchvision although its compiled operators may not fit the installed torch.

torchvision 0.28 from the index is built for CUDA. Beside a CPU torch its library cannot load, and
`import torchvision` stops with "operator torchvision::nms does not exist"; facenet_pytorch stops
with it. Everything MTCNN needs of the compiled part is non-maximum suppression, so that is defined
here in plain torch, and only where the real one cannot be loaded.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from capture.errors import CaptureError

if TYPE_CHECKING:
    from torch import Tensor
    from torch.library import Library

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_defined: list[Library] = []  # torch forgets the operators when the Library object is collected


def import_torchvision() -> ModuleType:
    """Return the module torchvision, whether or not its compiled operators can be loaded.

    Call it before anything imports torchvision or facenet_pytorch. A second call, and a call where
    torchvision is healthy, changes nothing.

    Raises
    ------
    CaptureError
        torchvision is not installed.
    """
    if "torchvision" in sys.modules:
        return sys.modules["torchvision"]
    healthy = _load_compiled()
    if not healthy and not _defined:
        _define_nms()
    torchvision = importlib.import_module("torchvision")
    if not healthy:
        extension: Any = importlib.import_module("torchvision.extension")
        extension._has_ops = lambda: True
    return torchvision


def _load_compiled() -> bool:
    """Load torchvision's own operators; False when they do not fit this torch."""
    import torch

    spec = importlib.util.find_spec("torchvision")
    if spec is None or not spec.submodule_search_locations:
        raise CaptureError("torchvision is not installed", remedy="pip install torchvision")
    folder = Path(spec.submodule_search_locations[0])
    for suffix in importlib.machinery.EXTENSION_SUFFIXES:
        library = folder / f"_C{suffix}"
        if library.is_file():
            try:
                torch.ops.load_library(str(library))
            except OSError:
                return False
            return True
    return False


def _define_nms() -> None:
    import torch

    library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in _SCHEMAS:
        library.define(schema)
    library.impl("nms", nms, "CompositeExplicitAutograd")
    _defined.append(library)


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Greedy non-maximum suppression, the definition of `torchvision.ops.nms`.

    Parameters
    ----------
    boxes : float tensor, shape (n, 4)
        Corners x1, y1, x2, y2 with x1 <= x2 and y1 <= y2.
    scores : float tensor, shape (n,)
    iou_threshold : float in [0, 1]
        A box is dropped when its intersection over union with a better kept box is larger.

    Returns
    -------
    int64 tensor, shape (n_kept,)
        Indices of the boxes kept, best score first.
    """
    import torch

    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    rest = torch.argsort(scores, descending=True, stable=True)
    kept = []
    while rest.numel():
        best, rest = rest[0], rest[1:]
        kept.append(best)
        low = torch.maximum(boxes[best, :2], boxes[rest, :2])
        high = torch.minimum(boxes[best, 2:], boxes[rest, 2:])
        common = (high - low).clamp(min=0).prod(dim=1)
        union = area[best] + area[rest] - common
        rest = rest[~(common > iou_threshold * union)]
    return torch.stack(kept) if kept else rest
