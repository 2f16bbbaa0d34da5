"""ONNX Runtime, as far as radarid needs it; the only file that imports it."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime  # type: ignore[import-untyped]
from onnxruntime.capi import (  # type: ignore[import-untyped]
    onnxruntime_pybind11_state as state,
)

from radarid.live.onnx_file import cannot_run

_FAILURES = (
    state.EPFail, state.Fail, state.InvalidArgument, state.InvalidGraph, state.InvalidProtobuf,
    state.ModelLoadCanceled, state.NoModel, state.NoSuchFile, state.NotFound,
    state.NotImplemented, state.RuntimeException, RuntimeError, ValueError, IndexError,
)  # fmt: skip
_FATAL = 4


class OnnxSession:
    """A graph that runs on the CPU.

    Parameters
    ----------
    data : bytes of an ONNX file; a graph whose numbers lie in other files is refused
    where : the file, for errors
    n_threads : that share the work; 0 takes all cores

    Attributes
    ----------
    inputs, outputs : name -> shape, in the graph's order; a length that is free is a text

    Raises
    ------
    RunError
        Not a graph that can be run.
    """

    def __init__(self, data: bytes, where: Path, n_threads: int = 0) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = n_threads
        options.log_severity_level = _FATAL
        # Threads that spin while they wait take the cores from the radar's packets: alone a clip is
        # done in half the time, live the slowest decisions take longer, even if no thread spins
        # between clips (force_spinning_stop).
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._where = where
        try:
            self._session = onnxruntime.InferenceSession(
                data, options, providers=["CPUExecutionProvider"], enable_fallback=0
            )
            self.inputs = {each.name: tuple(each.shape) for each in self._session.get_inputs()}
            self.outputs = {each.name: tuple(each.shape) for each in self._session.get_outputs()}
        except _FAILURES as failure:
            raise cannot_run(self._where, failure) from None

    def run(self, outputs: list[str], **inputs: np.ndarray) -> list[np.ndarray]:
        """Compute some outputs.

        Raises
        ------
        RunError
            The graph cannot compute them from these inputs.
        """
        try:
            return list(self._session.run(outputs, inputs))
        except _FAILURES as failure:
            raise cannot_run(self._where, failure) from None


def to_int8(data: bytes) -> bytes:
    """Exchange the weights of convolutions and matrix products with 8-bit ones.

    The scale of what flows between the layers is found anew for each input (dynamic).

    Parameters
    ----------
    data : bytes of an ONNX file

    Returns
    -------
    bytes
        Of one a fourth as large, without the texts it carried.
    """
    from onnxruntime.quantization import (  # type: ignore[import-untyped]
        QuantType,
        quantize_dynamic,
    )

    root = logging.getLogger()
    level = root.level
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        source.write_bytes(data)
        root.setLevel(logging.ERROR)  # it advises static quantisation on the root logger
        try:
            # Unsigned, since ONNX Runtime has no convolution of signed 8-bit weights on CPUs.
            quantize_dynamic(source, target, ["Conv", "Gemm", "MatMul"],
                             weight_type=QuantType.QUInt8)
        finally:
            root.setLevel(level)
        return target.read_bytes()
