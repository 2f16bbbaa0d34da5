"""OpenVINO, as far as radarid needs it; the only file that imports it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import openvino

from radarid.errors import RunError
from radarid.live.onnx_file import cannot_run

_DEVICE, _NATIVE = "CPU", "BF16"
_FAILURES = (RuntimeError, ValueError, TypeError, IndexError, OverflowError)


class OpenVinoSession:
    """A graph that runs on the CPU in bfloat16, one clip at a time.

    Its interface is that of `OnnxSession`; a free length, of the batch, is one here. It keeps the
    buffers of a run, so that one thread at a time may use it.

    Parameters
    ----------
    data : bytes of an ONNX file with float32 weights that `OnnxSession` has run: OpenVINO checks
        less, and a forged index ends the process
    where : the file, for errors
    n_threads : that share the work; 0 takes all cores

    Attributes
    ----------
    inputs, outputs : name -> shape, in the graph's order

    Raises
    ------
    RunError
        The processor has no bfloat16 instructions, with which it would be slower, not faster;
        or not a graph that can be run.
    """

    def __init__(self, data: bytes, where: Path, n_threads: int = 0) -> None:
        self._where = where
        core = openvino.Core()
        _require_bfloat16(core.get_property(_DEVICE, "OPTIMIZATION_CAPABILITIES"))
        try:
            model = core.read_model(data, b"")
            self._refuse_sums(model)
            model.reshape({
                port: [1 if length.is_dynamic else length for length in port.partial_shape]
                for port in model.inputs
            })  # fmt: skip
            self._request, used = _compile(core, model, n_threads)
            self.inputs = {port.any_name: tuple(port.shape) for port in model.inputs}
            self.outputs = {port.any_name: tuple(port.shape) for port in model.outputs}
        except _FAILURES as failure:
            raise cannot_run(self._where, failure) from None
        if used != openvino.Type.bf16:
            raise RunError("OpenVINO does not compute in bfloat16 here", got=used.to_string(),
                           remedy="leave out --bfloat16")  # fmt: skip

    def run(self, outputs: list[str], **inputs: np.ndarray) -> list[np.ndarray]:
        """Compute some outputs.

        Raises
        ------
        RunError
            The graph cannot compute them from these inputs.
        """
        try:
            found = self._request.infer(inputs)
            return [np.array(found[name]) for name in outputs]
        except (*_FAILURES, KeyError) as failure:
            raise cannot_run(self._where, failure) from None

    def _refuse_sums(self, model: openvino.Model) -> None:
        """Refuse a graph that makes clips smaller by running sums of as few digits."""
        for node in model.get_ops():
            if node.get_type_name() == "CumSum" and node.get_output_element_type(0).is_real():
                raise RunError(
                    "exported by an earlier radarid, for float32 only", where=self._where,
                    remedy="export it again: radarid export RUN --onnx FILE",
                )


def _require_bfloat16(capabilities: list[str]) -> None:
    if _NATIVE not in capabilities:
        raise RunError(
            "this processor has no bfloat16 instructions", got=", ".join(capabilities),
            expected="AVX512_BF16 or AMX_BF16 among the flags that lscpu lists",
            remedy="leave out --bfloat16",
        )


def _compile(
    core: openvino.Core, model: openvino.Model, n_threads: int
) -> tuple[openvino.InferRequest, openvino.Type]:
    """Compile for one clip at a time; the precision that was taken comes with it."""
    has_affinity = hasattr(os, "sched_getaffinity")  # Linux
    cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    compiled = core.compile_model(model, _DEVICE, {
        "INFERENCE_PRECISION_HINT": "bf16", "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": n_threads or cores, "ENABLE_CPU_PINNING": False,
    })  # fmt: skip
    return compiled.create_infer_request(), compiled.get_property("INFERENCE_PRECISION_HINT")
