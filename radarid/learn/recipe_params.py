"""Weights and options of each recipe; `TrainConfig` has a table of each under the recipe's name."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from capture.schema import config_class
from radarid.learn.losses.contrastive import ContrastOptions
from radarid.learn.losses.distill import FeatureDistillOptions, LogitDistillOptions
from radarid.learn.losses.fdcmkd import FdCmkdOptions
from radarid.learn.losses.fskd import FskdOptions
from radarid.learn.losses.identity_kd import IdentityKdOptions
from radarid.learn.losses.kd import KdOptions
from radarid.learn.losses.lpips import LpipsOptions
from radarid.learn.losses.margin_heads import CosFaceOptions
from radarid.learn.losses.reconstruction import CharbonnierOptions
from radarid.learn.losses.ssim import SsimOptions


@config_class
class IdentityKdParams:
    """Weights and options of the IdentityKD recipe.

    Parameters
    ----------
    contrast_weight, kd_weight, composer_weight : delta_1, delta_2 of Eq. 15 (no values given) and
        the weight of the composer's own classification
    gamma : share of the raw teacher, against the fused embedding, in Eq. 11
    composer : how teacher and student are fused: "residual" is Eq. 6; "cross_attention" attends
        between the face and the maps of the student's last stage, as the terahertz paper's teacher
    contrast : form of both contrasts
    kd : of the identity-wise distillation
    begin : epochs of warm-up with the same margin and weight for every identity
    """

    contrast_weight: float = Field(default=1.0, ge=0)
    kd_weight: float = Field(default=1.0, ge=0)
    composer_weight: float = Field(default=1.0, ge=0)
    gamma: float = Field(default=0.8, ge=0, le=1)
    composer: Literal["residual", "cross_attention"] = "residual"
    contrast: ContrastOptions = Field(default_factory=ContrastOptions)
    kd: IdentityKdOptions = Field(default_factory=IdentityKdOptions)
    begin: int = Field(default=10, ge=1)


@config_class
class KdParams:
    """Weights and options of vanilla distillation.

    Parameters
    ----------
    ce_weight, kd_weight : of cross-entropy and divergence; 0.1 and 0.9 are RepDistiller's
    kd : of the divergence
    """

    ce_weight: float = Field(default=0.1, ge=0)
    kd_weight: float = Field(default=0.9, ge=0)
    kd: KdOptions = Field(default_factory=KdOptions)


def _ccl_contrast() -> ContrastOptions:
    return ContrastOptions(temperature=0.5, symmetric=True)


@config_class
class CfkdParams:
    """Weights and options of CFKD, which is CCL.

    Parameters
    ----------
    distil_weight : of everything but the cross-entropies: CCL's loss_weight, 1 for one teacher
    jsd_weight : of the symmetric divergence in it; the half in its formula is not meant
    contrast : of all contrasts; CCL takes a temperature of 0.5 for sound and 0.1 for pictures
    """

    distil_weight: float = Field(default=1.0, ge=0)
    jsd_weight: float = Field(default=1.0, ge=0)
    contrast: ContrastOptions = Field(default_factory=_ccl_contrast)


@config_class
class MkdParams:
    """Weights and options of MKD (our reading: its paper cannot be reached).

    Parameters
    ----------
    distil_weight : of both margined distances together
    feature_weight, logit_weight : of each of them
    feature_margin, logit_margin : tolerated cosine distance, and divergence in nats
    temperature : of the divergence
    scale : where its square enters, see `MarginOptions`
    quality : weigh pairs by the length of the face's embedding before it was normalised; a store
        of embeddings has none
    """

    distil_weight: float = Field(default=1.0, ge=0)
    feature_weight: float = Field(default=1.0, ge=0)
    logit_weight: float = Field(default=1.0, ge=0)
    feature_margin: float = Field(default=0.2, ge=0)
    logit_margin: float = Field(default=8 / 255, ge=0)
    temperature: float = Field(default=4.0, gt=0)
    scale: Literal["after", "before", "none"] = "after"
    quality: bool = True


@config_class
class FskdParams:
    """Weights and options of F-SKD.

    Parameters
    ----------
    distil_weight : lambda; 5 in the paper, 20 in the released script
    distil : "fskd", or the ablations of the paper's Table 4: "fitnet", "norm_kd"
    head : "cosface" as the paper, or the student's own "linear" classifier alone
    cosface : scale and margin of the head
    fskd : where and how directions are compared
    """

    distil_weight: float = Field(default=5.0, ge=0)
    distil: Literal["fskd", "fitnet", "norm_kd"] = "fskd"
    head: Literal["cosface", "linear"] = "cosface"
    cosface: CosFaceOptions = Field(default_factory=CosFaceOptions)
    fskd: FskdOptions = Field(default_factory=FskdOptions)


@config_class
class FdCmkdParams:
    """Weights and options of FD-CMKD.

    Parameters
    ----------
    distil_weight : of both distances together, beside lambda_low and lambda_high of `match`
    match : axis, reduction and weights; on "channel" the teacher is the face network, on the
        axes of the spectrogram a radar network
    """

    distil_weight: float = Field(default=1.0, ge=0)
    match: FdCmkdOptions = Field(default_factory=FdCmkdOptions)


@config_class
class ThzParams:
    """Weights and options of the terahertz paper's network on radar.

    Parameters
    ----------
    verify_weight, direction_weight, identity_weight : of the student's contrast, walking direction
        and (ours) classification
    fused_share : weight of the fused teacher's own three, relative to those
    feature_weight, logit_weight : of what the student takes from the fused teacher
    reconstruction_weight : of the painted clip: Charbonnier 1, and beside it
    ssim_weight, lpips_weight : 0.6 and 0.4 in the paper's code; LPIPS needs a file of weights
    clean_views : the student also sees every clip undegraded, as a positive
    detach_radar : no gradient of the fused teacher's losses into the student
    decoder : "shared", or one per walking direction, chosen by the true one ("label", and by the
        predicted one where it is unknown) or by the "predicted" one
    temperature, label_smoothing : of contrast and direction
    feature, logit, charbonnier, ssim, lpips : options of these losses
    """

    verify_weight: float = Field(default=1.0, ge=0)
    direction_weight: float = Field(default=1.0, ge=0)
    identity_weight: float = Field(default=1.0, ge=0)
    fused_share: float = Field(default=0.5, ge=0)
    feature_weight: float = Field(default=1.0, ge=0)
    logit_weight: float = Field(default=0.5, ge=0)
    reconstruction_weight: float = Field(default=1.0, ge=0)
    ssim_weight: float = Field(default=0.6, ge=0)
    lpips_weight: float = Field(default=0.0, ge=0)
    clean_views: bool = True
    detach_radar: bool = False
    decoder: Literal["shared", "label", "predicted"] = "shared"
    temperature: float = Field(default=0.07, gt=0)
    label_smoothing: float = Field(default=0.1, ge=0, lt=1)
    feature: FeatureDistillOptions = Field(default_factory=FeatureDistillOptions)
    logit: LogitDistillOptions = Field(default_factory=LogitDistillOptions)
    charbonnier: CharbonnierOptions = Field(default_factory=CharbonnierOptions)
    ssim: SsimOptions = Field(default_factory=SsimOptions)
    lpips: LpipsOptions = Field(default_factory=LpipsOptions)
