"""A student and what is done to a clip before it, as one ONNX graph."""

from __future__ import annotations

import logging
import warnings

import numpy as np
import torch
from torch import Tensor, nn

from radarid.learn.student_file import TrainedStudent
from radarid.live.onnx_student import CLIPS, EMBEDDING, LOGITS, TEMPLATES, graph_shape

_OPSET = 20


class ClipGraph(nn.Module):
    """Clips -> embedding and logits, with `to_input` inside, in operations that ONNX has.

    All of `to_input` that is rounded is computed in whole numbers below 2^24, which float32
    holds exactly, so that the network sees the same picture to the last bit.

    Parameters
    ----------
    student : whose graph it is
    """

    def __init__(self, student: TrainedStudent) -> None:
        super().__init__()
        self.student, self.input = student.model, student.input
        self.kept_templates: Tensor  # not the output's name, or a large one is defined twice
        self.register_buffer("kept_templates", torch.from_numpy(np.array(student.templates)))

    def forward(self, clips: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Embed and classify clips.

        Parameters
        ----------
        clips : float32 tensor in [0, 1], shape (n, image_size, image_size), for "stack"
            (n, 3, image_size, image_size)

        Returns
        -------
        embedding : float32 tensor, shape (n, d)
        logits : float32 tensor, shape (n, n_subjects)
        templates : float32 tensor, shape (n_subjects, d), the same for all clips
        """
        embedding, logits = self.student(self.picture(clips))
        return embedding, logits, self.kept_templates.clone()

    def picture(self, clips: Tensor) -> Tensor:
        """What `to_input` makes of clips, as whole numbers in float32."""
        is_stack = self.input.channels == "stack"
        planes = (255 * clips).round()
        planes = planes if is_stack else planes[:, None]
        if self.input.fold:
            planes = _folded(planes)
        if planes.shape[2] != self.input.size:
            planes = _area_mean(planes, self.input.size)
        return planes if is_stack else planes[:, 0]


def _folded(planes: Tensor) -> Tensor:
    half = planes.shape[2] // 2
    brightness = planes[:, 0].to(torch.int64).sum(2)
    towards = brightness[:, :half].sum(1) > brightness[:, -half:].sum(1)
    return torch.where(towards[:, None, None, None], planes.flip(2), planes)


def _area_mean(planes: Tensor, size: int) -> Tensor:
    """Mean over the area of each pixel, rounded: differences of running sums, axis by axis.

    Pixel k of `size` covers floor(k n / size) to ceil((k + 1) n / size) of n, as
    `interpolate(mode="area")` has it. The sums are integers, of which no precision takes digits.
    """
    planes, lengths = planes.to(torch.int64), []
    for axis in (2, 3):
        n, pixel = planes.shape[axis], torch.arange(size)
        first, end = pixel * n // size, -(-(pixel + 1) * n // size)
        sums = torch.cat([torch.zeros_like(planes.narrow(axis, 0, 1)), planes.cumsum(axis)], axis)
        planes = sums.index_select(axis, end) - sums.index_select(axis, first)
        lengths.append((end - first).float())
    return (planes / lengths[0][:, None] / lengths[1]).round()


def to_onnx(student: TrainedStudent) -> bytes:
    """Write a student as an ONNX model of any number of clips.

    Nothing of the machine that exports is in it: no source path, no trace.

    Parameters
    ----------
    student : on the CPU

    Returns
    -------
    bytes
        Of the model, without the facts that `pack` adds.
    """
    clips = torch.zeros(2, *graph_shape(student))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter, about itself
        logging.getLogger("onnx_ir").setLevel(logging.ERROR)
        program = torch.onnx.export(
            ClipGraph(student).eval(), (clips,), dynamo=True, opset_version=_OPSET, verbose=False,
            input_names=[CLIPS], output_names=[EMBEDDING, LOGITS, TEMPLATES],
            dynamic_shapes=({0: torch.export.Dim("n")},),
        )
    if program is None:
        raise RuntimeError("the exporter gave nothing")
    for node in program.model.graph.all_nodes():
        node.metadata_props.clear()
        node.doc_string = None
    model = program.model_proto
    del model.graph.value_info[:]  # shapes from before weights were turned
    return bytes(model.SerializeToString())


