"""Which student a command uses: that of a run folder, or an exported file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from radarid.learn.student_facts import GaitStudent

RunOption = Annotated[Path | None, typer.Option(help="Folder of a finished training.")]
ModelOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.onnx",
        help="Instead of --run: a student that `radarid export` wrote; torch is not needed.",
    ),
]


def open_student(run: Path | None, model: Path | None) -> GaitStudent:
    """Load the student of --run or of --model.

    Raises
    ------
    RunError
        Both or neither; or it cannot be loaded.
    """
    from radarid.errors import RunError

    # Torch's threads spin while they wait, and where others want the cores a clip takes a second.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    if model is not None and run is None:
        from radarid.live.onnx_student import load_onnx

        return load_onnx(model)
    if run is None or model is not None:
        raise RunError(
            "one student must be named", got="none" if run is None else "--run and --model",
            expected="--run RUN, or --model FILE.onnx",
        )
    from radarid.learn.student_file import load_student

    return load_student(run)
