"""The terahertz paper's network on radar: a shown face helps to see through what hides a walk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from capture.schema import to_mapping
from radarid.errors import TrainError
from radarid.learn.composer import CrossAttention
from radarid.learn.config import TrainConfig
from radarid.learn.decoder import Decoder
from radarid.learn.losses import build_loss
from radarid.learn.losses.base import LossInputs
from radarid.learn.recipes.base import Batch, Ingredients, Needs, Term
from radarid.learn.recipes.taught import FACES, TaughtRecipe
from radarid.learn.students import LAYERS

N_DIRECTIONS = 2


class Thz(TaughtRecipe):
    """Verification, direction, reconstruction, and a jointly trained teacher (THz multi-task).

    Parameters
    ----------
    given : see `Recipe`

    Notes
    -----
    Translated to radar: the anchor is a degraded walk, the positive the same clip as it was (and
    others of the person), head posture is the walking direction, and what is painted is the
    undegraded clip. The teacher, "fused", attends from the paired face to the student's maps and
    back, and is trained by its own contrast, direction and identity while the student follows its
    embedding and votes:

    `L = w SupCon_s + w' SupCon_f + d Dir_s + d' Dir_f + i CE_s + i' CE_f + a Feature + b Logit
    + r (Charbonnier + 0.6 (1 - SSIM) + 0.4 LPIPS)`.

    The paper has no classifier of identities; ours, from which an exported student votes, and the
    teacher's are added with the weights of the other heads. The student's embedding itself is
    contrasted, without the paper's head, since it is what is kept.
    """

    provides = FACES | {
        "clean", "student.direction", "student.reconstruction", "fused.embedding", "fused.logits",
        "fused.direction", "fused.features.pooled",
    }  # fmt: skip
    tuned = "thz.feature_weight"

    def __init__(self, given: Ingredients) -> None:
        super().__init__(given)
        self.params = p = given.config.thz
        self.watched = frozenset(LAYERS)
        shapes = given.student.feature_shapes(given.config.model.input.size, LAYERS)
        channels = {name: shape[0] for name, shape in shapes.items()}
        n = given.n_teacher
        self.composer = CrossAttention(
            n, channels["layer4"], n, given.n_subjects, n_directions=N_DIRECTIONS
        )
        self.sizes = replace(self.sizes, features={"fused.pooled": (n,)})
        self.direction = nn.Linear(self.sizes.n_student, N_DIRECTIONS)
        n_decoders = 1 if p.decoder == "shared" else N_DIRECTIONS
        self.decoders = nn.ModuleList(Decoder(channels) for _ in range(n_decoders))
        self.weighted = nn.ModuleDict()
        self.weights: dict[str, float] = {}
        self._add_losses()

    def _add_losses(self) -> None:
        p = self.params
        for of in ("student", "fused"):
            share = 1.0 if of == "student" else p.fused_share
            forms = {
                "supcon": (p.verify_weight, {"temperature": p.temperature}),
                "direction": (p.direction_weight, {"label_smoothing": p.label_smoothing}),
                "cross_entropy": (p.identity_weight, {}),
            }
            for name, (weight, options) in forms.items():
                self._add(f"{name}_{of}", name, share * weight, {**options, "of": of})
        self._add("feature_distill", "feature_distill", p.feature_weight, to_mapping(p.feature))
        self._add("logit_distill", "logit_distill", p.logit_weight, to_mapping(p.logit))
        r = p.reconstruction_weight
        self._add("charbonnier", "charbonnier", r, to_mapping(p.charbonnier))
        self._add("ssim", "ssim", r * p.ssim_weight, to_mapping(p.ssim))
        self._add("lpips", "lpips", r * p.lpips_weight, to_mapping(p.lpips))

    def _add(self, key: str, name: str, weight: float, options: dict[str, object]) -> None:
        """Take a loss in, unless it weighs nothing: LPIPS needs a file, and SSIM 11 pixels."""
        if weight:
            self.weighted[key], self.weights[key] = build_loss(name, options), weight

    @classmethod
    def needs(cls, config: TrainConfig) -> Needs:
        """See `Recipe.needs`."""
        return Needs(faces=True, clean=True)

    def networks(self, batch: Batch) -> LossInputs:
        """See `Recipe.networks`; with `clean_views` every clip is two rows: degraded, and clean."""
        clean = batch.clean
        if clean is None:
            raise TrainError("the recipe Thz needs every clip as it was before degradation")
        if self.params.clean_views:
            batch, clean = _both_views(batch, clean), torch.cat([clean, clean])
        clean = clean if clean.dim() == 4 else clean[:, None]
        inputs = super().networks(batch)
        own, maps = inputs.get("student.embedding"), inputs.student.features
        seen = maps["layer4"].detach() if self.params.detach_radar else maps["layer4"]
        direction, known = self.direction(own), batch.directions
        if known is None:
            known = torch.full_like(batch.labels, -1)
        painted = self._paint(maps, clean.shape[-1], direction, known)
        return replace(
            inputs,
            student=replace(inputs.student, direction=direction, reconstruction=painted),
            fused=self.composer.outputs(inputs.get("teacher.embedding"), seen),
            clean=clean[:, :1].float() / 255,
            directions=known,
        )

    def _paint(
        self, maps: Mapping[str, Tensor], size: int, direction: Tensor, known: Tensor
    ) -> Tensor:
        """The clean clip as the decoders see it, of two the one for the clip's direction."""
        painted = [decoder(maps, size) for decoder in self.decoders]
        if len(painted) == 1:
            return painted[0]
        chosen = direction.argmax(1)
        if self.params.decoder == "label":
            chosen = torch.where(known >= 0, known, chosen)
        return torch.where(chosen[:, None, None, None] == 1, painted[1], painted[0])

    def terms(self, inputs: LossInputs) -> list[Term]:
        """See `Recipe.terms`."""
        return [Term(key, self.weights[key], loss(inputs)) for key, loss in self.weighted.items()]


def _both_views(batch: Batch, clean: Tensor) -> Batch:
    """Every clip twice: degraded, and as it was."""

    def twice(rows: Tensor | None) -> Tensor | None:
        return None if rows is None else torch.cat([rows, rows])

    return Batch(
        images=torch.cat([batch.images, clean]), labels=torch.cat([batch.labels] * 2),
        faces=twice(batch.faces), face_norms=twice(batch.face_norms),
        directions=twice(batch.directions),
    )  # fmt: skip
