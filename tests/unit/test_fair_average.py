"""The absolute floor of CFA, and normalisation statistics of averaged weights, by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from radarid.learn.config import AverageParams
from radarid.learn.identity import FairAverage, reestimate_batch_norm


@pytest.mark.parametrize(("floor_of", "taken"), [("mean", True), ("absolute", False)])
def test_the_floor_is_relative_or_absolute(floor_of: str, taken: bool) -> None:
    # The worst of 0.2 and 0.4: above 0.24 times the mean of 0.3, below 0.24 itself.
    params = AverageParams(floor=0.24, floor_of=floor_of)  # type: ignore[arg-type]
    average = FairAverage(params)
    assert average.update(nn.Linear(2, 2), torch.tensor([0.2, 0.4])) is taken
    assert bool(average.weights) is taken
    assert average.update(nn.Linear(2, 2), torch.tensor([0.3, 0.9]))


def test_statistics_are_the_means_over_the_batches() -> None:
    layer = nn.BatchNorm1d(1)
    model = nn.Sequential(nn.Dropout(0.9), layer)  # dropout must play no part
    model.train()
    for _ in range(3):
        model(torch.full((4, 1), 100.0) + torch.arange(4.0)[:, None])
    kept = layer.momentum
    batches = [torch.tensor([[1.0], [3.0]]), torch.tensor([[5.0], [6.0], [10.0]])]
    reestimate_batch_norm(model, batches)
    # Means 2 and 7; unbiased variances 2 and (4 + 1 + 9) / 2 = 7.
    assert layer.running_mean is not None
    assert layer.running_var is not None
    assert layer.running_mean.tolist() == [4.5]
    assert layer.running_var.tolist() == [4.5]
    assert layer.momentum == kept
    assert model.training
    assert layer.training


def test_weights_are_left_alone() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)).eval()
    before = {name: value.clone() for name, value in model.named_parameters()}
    reestimate_batch_norm(model, iter([torch.randn(5, 3)]))
    assert not model.training
    for name, value in model.named_parameters():
        assert torch.equal(value, before[name])
