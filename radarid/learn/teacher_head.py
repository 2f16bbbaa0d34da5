"""A linear classifier on the frozen face embeddings: the logits of a teacher that has none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from capture.schema import config_class
from radarid.data.tables import FaceTable
from radarid.errors import TrainError


@config_class
class HeadParams:
    """How the head is fitted.

    Parameters
    ----------
    l2 : penalty on the weights; less makes the teacher surer of itself
    n_iterations : of L-BFGS, at most
    """

    l2: float = Field(default=1e-4, ge=0)
    n_iterations: int = Field(default=200, ge=1)


@dataclass(frozen=True)
class LabelledFaces:
    """Faces of the training walks with their people.

    Parameters
    ----------
    embeddings : float32 tensor, shape (n_faces, n_variations, d); variation 0 is the face as it is
    labels : int64 tensor, shape (n_faces,)
    recordings : int64 array, shape (n_faces,), where each was seen
    """

    embeddings: Tensor
    labels: Tensor
    recordings: np.ndarray


def labelled_faces(
    table: FaceTable, embeddings: Tensor, subjects: Sequence[str]
) -> LabelledFaces:
    """Faces of the people in training.

    Parameters
    ----------
    table : of the faces
    embeddings : float32 tensor, shape (n_faces, n_variations, d), row by row
    subjects : people in order of their labels
    """
    known = np.isin(table.subject, subjects)
    labels = np.searchsorted(subjects, table.subject[known]).astype(np.int64)
    return LabelledFaces(
        embeddings[torch.from_numpy(known)], torch.from_numpy(labels), table.recording[known]
    )


class TeacherHead(nn.Module):
    """Linear layer from face embeddings to people, fitted once and then frozen.

    Parameters
    ----------
    n_teacher : length of the embeddings
    n_subjects : people to tell apart
    params : how it is fitted
    """

    def __init__(self, n_teacher: int, n_subjects: int, params: HeadParams) -> None:
        super().__init__()
        self.params = params
        self.weight: Tensor
        self.bias: Tensor
        # Buffers: saved with the state, never seen by an optimiser.
        self.register_buffer("weight", torch.zeros(n_subjects, n_teacher))
        self.register_buffer("bias", torch.zeros(n_subjects))

    def forward(self, embeddings: Tensor) -> Tensor:
        """Logits, shape (n, n_subjects), of face embeddings, shape (n, n_teacher)."""
        return functional.linear(embeddings, self.weight, self.bias)

    def fit(self, faces: LabelledFaces) -> dict[str, float]:
        """Fit to all the faces, after judging a fit that has not seen one walk of each person.

        Parameters
        ----------
        faces : of the training walks, with their variations

        Returns
        -------
        dict
            `head_accuracy`, right on the faces as they are, and `head_held_out`, right on the
            faces of each person's last recording by a head fitted to the others (absent where
            everybody has been recorded once).

        Raises
        ------
        TrainError
            Fewer than two people.

        Notes
        -----
        Minimises `mean CE + l2 |W|^2 / 2` over all variations (baselines specification, top).
        """
        if len(faces.labels.unique()) < 2:
            raise TrainError("a head for fewer than two people", got=str(len(faces.labels)))
        last = _last_recordings(faces)
        facts = {}
        if last.any():
            self._fit(faces, ~last)
            facts["head_held_out"] = self._accuracy(faces, last)
        self._fit(faces, np.ones(len(last), bool))
        return {"head_accuracy": self._accuracy(faces, np.ones(len(last), bool))} | facts

    def _fit(self, faces: LabelledFaces, rows: np.ndarray) -> None:
        chosen = torch.from_numpy(rows)
        x = faces.embeddings[chosen].to(self.weight)
        y = faces.labels[chosen].to(self.weight.device).repeat_interleave(x.shape[1])
        x = x.flatten(0, 1)
        weight = torch.zeros_like(self.weight, requires_grad=True)
        bias = torch.zeros_like(self.bias, requires_grad=True)
        solver = torch.optim.LBFGS(
            [weight, bias], max_iter=self.params.n_iterations, line_search_fn="strong_wolfe"
        )

        def objective() -> Tensor:
            solver.zero_grad()
            penalty = self.params.l2 * weight.square().sum() / 2
            loss = functional.cross_entropy(functional.linear(x, weight, bias), y) + penalty
            torch.autograd.backward(loss)
            return loss

        with torch.enable_grad():
            solver.step(objective)
        self.weight.copy_(weight.detach())
        self.bias.copy_(bias.detach())

    def _accuracy(self, faces: LabelledFaces, rows: np.ndarray) -> float:
        chosen = torch.from_numpy(rows)
        predicted = self(faces.embeddings[chosen, 0].to(self.weight)).argmax(1).cpu()
        return float((predicted == faces.labels[chosen]).float().mean())


def _last_recordings(faces: LabelledFaces) -> np.ndarray:
    """Mark the faces of each person's last recording, of people with several."""
    marked = np.zeros(len(faces.recordings), bool)
    labels = faces.labels.numpy()
    for label in np.unique(labels):
        own = labels == label
        recordings = np.unique(faces.recordings[own])
        if len(recordings) > 1:
            marked |= own & (faces.recordings == recordings[-1])
    return marked
