"""How a training computes, as far as that is no part of the method: precision, workers, logs."""

from __future__ import annotations

import contextlib
from typing import Any, Literal

import torch
from pydantic import Field

from capture.schema import config_class


@config_class
class RuntimeParams:
    """Choices that cost or save time and memory.

    Parameters
    ----------
    workers : processes that prepare batches beside this one; any number gives the same weights
    amp : number format of the networks in training; "auto" takes bfloat16 on a GPU that has it,
        float16 on another GPU, float32 elsewhere. Losses are float32 whatever the networks are
    clip_norm : longest gradient of a step, a longer one is shortened to it; None leaves it alone
    log_tensorboard : also write the log for TensorBoard, into tensorboard/ of the run
    """

    workers: int = Field(default=0, ge=0)
    amp: Literal["auto", "off", "bfloat16", "float16"] = "auto"
    clip_norm: float | None = Field(default=None, gt=0)
    log_tensorboard: bool = False


def number_format(amp: str, device: str) -> torch.dtype | None:
    """Half-precision type of the networks; None for full precision."""
    if amp == "auto":
        if not device.startswith("cuda"):
            return None
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return {"off": None, "bfloat16": torch.bfloat16, "float16": torch.float16}[amp]


class Precision:
    """Automatic mixed precision: networks in half precision, gradients scaled where they need it.

    Parameters
    ----------
    amp : see `RuntimeParams`
    device : that computes
    """

    def __init__(self, amp: str, device: str) -> None:
        self.kind, self.dtype = torch.device(device).type, number_format(amp, device)
        self.scaler = torch.amp.GradScaler(self.kind, enabled=self.dtype is torch.float16)

    def networks(self) -> contextlib.AbstractContextManager[Any]:
        """Within it, networks compute in half precision, if so chosen."""
        return torch.autocast(self.kind, dtype=self.dtype, enabled=self.dtype is not None)

    @property
    def may_overflow(self) -> bool:
        """Whether an infinite gradient only says that the scale is still too large."""
        return self.scaler.is_enabled() and self.scaler.get_scale() > 1
