"""Clips that a student decides rightly and wrongly, and what in them made it do so."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from radarid.data.store import GaitStore
from radarid.learn.openset import unit
from radarid.learn.probes import Probes
from radarid.learn.reliability import probabilities
from radarid.learn.report.grad_cam import grad_cam
from radarid.learn.student_file import TrainedStudent
from radarid.learn.students import to_input

N_EXAMPLES = 4


@dataclass(frozen=True)
class Decisions:
    """What was decided on each test clip.

    Parameters
    ----------
    probes : test clips
    known : people of the logits
    """

    probes: Probes
    known: tuple[str, ...]

    @property
    def by_template(self) -> bool:
        """Whether people were enrolled after the training, so that likeness decides."""
        return self.probes.templates is not None

    @property
    def decided(self) -> np.ndarray:
        """Label of each clip as the student sees it, int64 (n,)."""
        return self.probes.scores.argmax(1)

    @property
    def right(self) -> np.ndarray:
        """Whether that is so, bool (n,)."""
        return np.asarray(self.decided == self.probes.labels)

    @property
    def confidence(self) -> np.ndarray:
        """Probability of the decision, or likeness to the template, float64 (n,)."""
        scores = self.probes.scores
        return np.asarray((scores if self.by_template else probabilities(scores)).max(1))

    def examples(self, *, right: bool) -> np.ndarray:
        """Clips that are right, or wrong, at most one a person, the surest first: int64 (n,)."""
        rows = np.flatnonzero(self.right == right)
        rows = rows[np.argsort(-self.confidence[rows], kind="stable")]
        _, first = np.unique(self.probes.labels[rows], return_index=True)
        return rows[np.sort(first)][:N_EXAMPLES]


def draw_examples(
    student: TrainedStudent, store: GaitStore, decisions: Decisions, chosen: np.ndarray
) -> Figure:
    """Clips as the student sees them, and under each where it found its decision.

    Parameters
    ----------
    student : whose decisions they are
    store : where the clips are
    decisions : on the test clips
    chosen : int array, shape (n,), of the decisions, n >= 1
    """
    probes = decisions.probes
    read = store.read_layers if student.input.channels == "stack" else store.read_clips
    images = to_input(read(probes.rows[chosen]), student.input)
    decided = decisions.decided[chosen]
    heat = _evidence(student, decisions, images, decided)
    planes = (images if images.dim() == 3 else images[:, 0]).numpy()
    figure = Figure(figsize=(2.3 * N_EXAMPLES, 4.9), layout="constrained")
    grid = figure.subplots(2, N_EXAMPLES, squeeze=False, sharex=True, sharey=True)
    extent = (0.0, store.dsp.clip_s, -1.0, 1.0)
    for k in range(N_EXAMPLES):
        if k >= len(chosen):
            grid[0, k].set_axis_off()
            grid[1, k].set_axis_off()
            continue
        for axes in grid[:, k]:
            axes.imshow(planes[k], cmap="gray", origin="lower", aspect="auto", extent=extent,
                        vmin=0, vmax=255)  # fmt: skip
            axes.set_yticks([])
        grid[1, k].imshow(heat[k], cmap="inferno", origin="lower", aspect="auto", extent=extent,
                          alpha=0.7 * heat[k], vmin=0, vmax=1)  # fmt: skip
        really, taken = (probes.subjects[label] for label in (probes.labels[chosen[k]], decided[k]))
        sure = decisions.confidence[chosen[k]]
        words = f"likeness {sure:.2f}" if decisions.by_template else f"{sure:.0%} sure"
        name = really if really == taken else f"{really}, taken for {taken}"
        grid[0, k].set_title(f"{name}\n{words}", fontsize=9)
        grid[1, k].set_xlabel("s")
    grid[0, 0].set_ylabel("velocity")
    grid[1, 0].set_ylabel("evidence")
    return figure


def _evidence(
    student: TrainedStudent, decisions: Decisions, images: Tensor, decided: np.ndarray
) -> np.ndarray:
    """Grad-CAM of what decided each clip: a logit, or the likeness to a template."""
    if decisions.probes.templates is None:
        columns = torch.from_numpy(decided)[:, None]

        def score(embedding: Tensor, logits: Tensor) -> Tensor:
            return logits.gather(1, columns.to(logits.device))[:, 0]
    else:
        templates = torch.from_numpy(unit(decisions.probes.templates)[decided]).float()

        def score(embedding: Tensor, logits: Tensor) -> Tensor:
            return torch.cosine_similarity(embedding, templates.to(embedding.device))

    device = student.model.classifier.weight.device
    return grad_cam(student.model, images.to(device), score)
