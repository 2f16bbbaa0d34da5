"""The head on frozen face embeddings, against scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from radarid.errors import TrainError
from radarid.learn.teacher_head import HeadParams, LabelledFaces, TeacherHead, labelled_faces


def clouds(n: int = 30, d: int = 8, n_people: int = 4) -> LabelledFaces:
    generator = torch.Generator().manual_seed(5)
    centres = torch.randn(n_people, d, generator=generator)
    labels = torch.arange(n) % n_people
    x = centres[labels][:, None] + 0.8 * torch.randn(n, 3, d, generator=generator)
    return LabelledFaces(
        torch.nn.functional.normalize(x, dim=2), labels, np.arange(n) % n_people
    )


@pytest.mark.parametrize("l2", [1e-2, 1e-4])
def test_the_head_is_logistic_regression(l2: float) -> None:
    faces = clouds()
    head = TeacherHead(8, 4, HeadParams(l2=l2, n_iterations=1000))
    facts = head.fit(faces)
    x, y = faces.embeddings.flatten(0, 1).numpy(), faces.labels.repeat_interleave(3).numpy()
    # C sum CE + |W|^2 / 2 is the same objective with C = 1 / (l2 n).
    twin = LogisticRegression(C=1 / (l2 * len(y)), tol=1e-8, max_iter=5000).fit(x, y)
    found = head(torch.from_numpy(x)).softmax(1).numpy()
    assert np.abs(found - twin.predict_proba(x)).max() < 5e-3
    right = twin.predict(faces.embeddings[:, 0].numpy()) == faces.labels.numpy()
    assert facts == {"head_accuracy": pytest.approx(right.mean())}  # nobody has two recordings


def test_held_out_accuracy_by_hand() -> None:
    # Two people on two axes; the second recording of the first one looks like the second person.
    e1, e2 = torch.eye(2)
    faces = LabelledFaces(
        torch.stack([e1, e1, e2, e2, e2, e2, e2, e2])[:, None],
        torch.tensor([0, 0, 0, 0, 1, 1, 1, 1]), np.array([3, 3, 5, 5, 4, 4, 7, 7]),
    )
    facts = TeacherHead(2, 2, HeadParams()).fit(faces)
    assert facts["head_held_out"] == 0.5
    assert facts["head_accuracy"] == 0.75  # e2 is the second person's in two of three cases


def test_the_head_is_frozen_and_saved() -> None:
    head = TeacherHead(8, 4, HeadParams())
    head.fit(clouds())
    assert not list(head.parameters())
    again = TeacherHead(8, 4, HeadParams())
    again.load_state_dict(head.state_dict())
    x = torch.randn(5, 8)
    assert torch.equal(again(x), head(x))
    assert not head(x).requires_grad


def test_faces_of_other_people_are_left_out() -> None:
    class Table:
        subject = np.array(["b", "x", "a", "b"])
        recording = np.array([4, 5, 6, 7])

    embeddings = torch.arange(8.0).reshape(4, 1, 2)
    found = labelled_faces(Table(), embeddings, ("a", "b"))  # type: ignore[arg-type]
    assert found.labels.tolist() == [1, 0, 1]
    assert found.recordings.tolist() == [4, 6, 7]
    assert torch.equal(found.embeddings, embeddings[[0, 2, 3]])


def test_one_person_needs_no_head() -> None:
    faces = LabelledFaces(torch.randn(3, 1, 2), torch.zeros(3, dtype=torch.int64), np.arange(3))
    with pytest.raises(TrainError, match="fewer than two people"):
        TeacherHead(2, 1, HeadParams()).fit(faces)
