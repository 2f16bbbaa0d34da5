"""Which student a command uses: that of a run folder, or an exported file."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from radarid.learn.student_facts import GaitStudent
    from radarid.learn.student_file import TrainedStudent
    from radarid.live.onnx_student import OnnxStudent

RunOption = Annotated[Path | None, typer.Option(help="Folder of a finished training.")]
ModelOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.onnx",
        help="Instead of --run: a student that `radarid export` wrote; torch is not needed.",
    ),
]

Bfloat16Flag = Annotated[
    bool,
    typer.Option(
        "--bfloat16",
        help="Let OpenVINO compute --model with 8 significant bits: faster where the processor "
        "can (AMX); `radarid export RUN --bfloat16` says what it costs.",
    ),
]

WalkersOption = Annotated[
    int | None,
    typer.Option(
        "--walkers", min=1, metavar="N",
        help="Tell up to N people in view apart, by distance, speed and direction.",
        show_default="as the student was trained: 1",
    ),
]


def open_student(
    run: Path | None, model: Path | None, walkers: int | None = None, *, bfloat16: bool = False
) -> GaitStudent:
    """Load the student of --run or of --model, to see so many walkers at once.

    Raises
    ------
    RunError
        Both or neither; or it cannot be loaded, or not be computed in bfloat16.
    """
    student = _load_student(run, model, bfloat16)
    if walkers is None:
        return student
    return replace(student, dsp=replace(student.dsp, max_walkers=walkers))


def _load_student(
    run: Path | None, model: Path | None, bfloat16: bool
) -> OnnxStudent | TrainedStudent:
    from radarid.errors import RunError
    from radarid.progress import log

    # Torch's threads spin while they wait, and where others want the cores a clip takes a second.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    if model is not None and run is None:
        from radarid.live.onnx_student import load_onnx

        if bfloat16:
            log.info("computes in bfloat16: near what float32 says, not the same")
        return load_onnx(model, bfloat16=bfloat16)
    if run is None or model is not None:
        raise RunError(
            "one student must be named", got="none" if run is None else "--run and --model",
            expected="--run RUN, or --model FILE.onnx",
        )
    if bfloat16:
        raise RunError(
            "only an exported student is computed in bfloat16", got="--run and --bfloat16",
            expected="--model FILE.onnx", remedy=f"radarid export {run} --onnx FILE.onnx",
        )
    from radarid.learn.student_file import load_student

    return load_student(run)
