"""`TrainConfig`: every choice of a training, with its default (those of IdentityKD)."""

from __future__ import annotations

import os
from typing import Any, Literal

from pydantic import Field

from capture.schema import config_class
from radarid.data.splits import SplitParams
from radarid.errors import TrainError
from radarid.learn.clip_augment import ClipAugment
from radarid.learn.degrade import DegradeParams
from radarid.learn.recipe_params import (
    CfkdParams,
    FdCmkdParams,
    FskdParams,
    IdentityKdParams,
    KdParams,
    MkdParams,
    ThzParams,
)
from radarid.learn.runtime import RuntimeParams
from radarid.learn.sampling import SamplingParams
from radarid.learn.stopping import StoppingParams
from radarid.learn.students import InputParams
from radarid.learn.teacher_head import HeadParams

RecipeName = Literal["identitykd", "baseline", "kd", "cfkd", "mkd", "fskd", "fdcmkd", "thz"]
StudentName = Literal["resnet18", "mobilenet_v2", "efficientnet_b0", "vgg16"]


@config_class
class ModelParams:
    """The student.

    Parameters
    ----------
    student : backbone
    init : "imagenet" starts from torchvision's weights instead of chance
    weights : their file; "" for the one in torch's own cache
    input : what it sees
    """

    student: StudentName = "resnet18"
    init: Literal["scratch", "imagenet"] = "scratch"
    weights: str = ""
    input: InputParams = Field(default_factory=InputParams)


@config_class
class FaceUse:
    """Which faces are shown to the teacher, and how they are varied.

    Parameters
    ----------
    pairing : "subject" draws a random training face of the clip's person at every step,
        "synchronous" takes the face nearest in time from the clip's own recording
    n_augmentations : varied copies of each crop beside the crop itself (embedded once)
    max_per_subject : crops of each person shown to the teacher, at most, drawn at random
    faceless_subjects : what to do with people in training of whom no face was seen
    flip, min_area, jitter : of the copies: chance of a mirror image; smallest share of the crop
        that is kept; largest relative change of brightness, contrast and saturation
    """

    pairing: Literal["subject", "synchronous"] = "subject"
    n_augmentations: int = Field(default=8, ge=0)
    max_per_subject: int = Field(default=500, ge=1)
    faceless_subjects: Literal["error", "drop"] = "error"
    flip: float = Field(default=0.5, ge=0, le=1)
    min_area: float = Field(default=0.9, gt=0, le=1)
    jitter: float = Field(default=0.2, ge=0, lt=1)


@config_class
class OptimParams:
    """Adam and its schedule.

    Parameters
    ----------
    n_epochs, batch_size : batches of an epoch differ by one clip at most, none is left out
    lr : learning rate of Adam
    milestones : as shares of `n_epochs`; at each one the rate is multiplied by `decay`
    weight_decay : L2 penalty
    """

    n_epochs: int = Field(default=200, ge=1)
    batch_size: int = Field(default=128, ge=2)
    lr: float = Field(default=1e-4, gt=0)
    milestones: tuple[float, ...] = (0.5, 0.75)
    decay: float = Field(default=0.1, gt=0, le=1)
    weight_decay: float = Field(default=0.0, ge=0)

    def lr_at(self, epoch: int) -> float:
        """Learning rate of an epoch, counted from 0."""
        passed = sum(epoch >= round(share * self.n_epochs) for share in self.milestones)
        return self.lr * self.decay**passed


@config_class
class ExtraLoss:
    """A registered loss added to the recipe's total.

    Parameters
    ----------
    weight : factor of the loss in the total
    options : of the loss
    """

    weight: float = 1.0
    options: dict[str, Any] = Field(default_factory=dict)


@config_class
class AverageParams:
    """Fairness-aware weight averaging (CFA): average only weights that serve everybody.

    Parameters
    ----------
    enabled : keep an average
    alpha : share of the old average in the new one
    floor : least validation accuracy of the worst identity in an epoch that is averaged
    floor_of : "mean" takes the floor as a share of the mean over identities, "absolute" as it is
        (CFA's code: 0.24, which belongs to its robust accuracies)
    batch_norm : statistics of the normalisation layers: averaged as the weights are, or
        estimated anew on the training clips with the averaged weights
    """

    enabled: bool = True
    alpha: float = Field(default=0.88, ge=0, lt=1)
    floor: float = Field(default=0.5, ge=0, le=1)
    floor_of: Literal["mean", "absolute"] = "mean"
    batch_norm: Literal["average", "reestimate"] = "average"


@config_class
class ThresholdParams:
    """How the threshold between known and unknown people is set on the validation walks.

    Parameters
    ----------
    false_accept_rate : share of strangers that may be taken for somebody; None for the point
        where false acceptance and false rejection are equal. Strangers are the people of
        `split.outsider_subjects`; without any, the known people play them (optimistic)
    """

    false_accept_rate: float | None = Field(default=None, ge=0, lt=1)


@config_class
class TrainConfig:
    """One training: what differs from these defaults is a file in configs/train.

    Parameters
    ----------
    recipe : method; "baseline" is cross-entropy without faces, see `radarid.learn.recipes`
    model, augment, degrade, sampling, faces, head, optim, average, stopping, threshold, runtime :
        see there
    identitykd, kd, cfkd, mkd, fskd, fdcmkd, thz : of the recipes of these names
    teacher_run : folder of the run whose student is the radar teacher, for recipes with one; ""
        trains a baseline on undegraded clips first
    extra_losses : registered losses, ours or of installed plug-ins, added to the total
    split, split_seed : which clips train; the seed of the training does not change them
    shuffle_labels : a control: walks get other people's labels
    control : whether `evaluate` also trains that control when not told otherwise
    save_every : epochs from one saved state to the next; a stop costs at most as many
    seed : of initial weights, order of clips, and faces drawn
    device : "auto" takes CUDA where there is one
    """

    recipe: RecipeName = "identitykd"
    model: ModelParams = Field(default_factory=ModelParams)
    augment: ClipAugment = Field(default_factory=ClipAugment)
    degrade: DegradeParams = Field(default_factory=DegradeParams)
    sampling: SamplingParams = Field(default_factory=SamplingParams)
    faces: FaceUse = Field(default_factory=FaceUse)
    head: HeadParams = Field(default_factory=HeadParams)
    optim: OptimParams = Field(default_factory=OptimParams)
    identitykd: IdentityKdParams = Field(default_factory=IdentityKdParams)
    kd: KdParams = Field(default_factory=KdParams)
    cfkd: CfkdParams = Field(default_factory=CfkdParams)
    mkd: MkdParams = Field(default_factory=MkdParams)
    fskd: FskdParams = Field(default_factory=FskdParams)
    fdcmkd: FdCmkdParams = Field(default_factory=FdCmkdParams)
    thz: ThzParams = Field(default_factory=ThzParams)
    teacher_run: str = ""
    extra_losses: dict[str, ExtraLoss] = Field(default_factory=dict)
    average: AverageParams = Field(default_factory=AverageParams)
    stopping: StoppingParams = Field(default_factory=StoppingParams)
    threshold: ThresholdParams = Field(default_factory=ThresholdParams)
    runtime: RuntimeParams = Field(default_factory=RuntimeParams)
    split: SplitParams = Field(default_factory=SplitParams)
    split_seed: int = 0
    shuffle_labels: bool = False
    control: bool = False
    save_every: int = Field(default=1, ge=1)
    seed: int = Field(default=0, ge=0)
    device: str = "auto"


def pick_device(name: str) -> str:
    """Device to compute on, as torch names it.

    Raises
    ------
    TrainError
        A device that torch does not have here.
    """
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as failure:
        raise TrainError(
            f"device cannot be used: {str(failure).splitlines()[0]}", got=name,
            remedy="--set device=cpu",
        ) from None
    return name


def use_all_cores() -> None:
    """Let torch use every core this process may run on, unless OMP_NUM_THREADS says otherwise."""
    import torch

    if "OMP_NUM_THREADS" not in os.environ:
        has_affinity = hasattr(os, "sched_getaffinity")  # Linux
        torch.set_num_threads(len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1)
