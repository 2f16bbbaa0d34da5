"""Which clips make a batch, and how training clips are changed."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from radarid.learn.clip_augment import N_CHANCES, ClipAugment, augment, mirrored
from radarid.learn.sampling import SamplingParams, epoch_batches


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize(("n", "size"), [(18, 8), (17, 8), (9, 8), (5, 128), (256, 128)])
def test_plain_batches_hold_every_clip_once_and_none_is_tiny(n: int, size: int) -> None:
    made = epoch_batches(np.zeros(n, int), size, SamplingParams(), rng())
    assert sorted(np.concatenate(made).tolist()) == list(range(n))
    lengths = {len(batch) for batch in made}
    assert max(lengths) <= size
    assert max(lengths) - min(lengths) <= 1


def test_balanced_batches_show_everybody_equally_often() -> None:
    labels = np.repeat([0, 1, 2], [20, 3, 1])  # 24 clips of 3 people: 8 rounds
    made = epoch_batches(labels, 6, SamplingParams(balance="identity"), rng())
    order = np.concatenate(made)
    assert Counter(labels[order].tolist()) == {0: 8, 1: 8, 2: 8}
    for batch in made:  # two rounds each
        assert Counter(labels[batch].tolist()) == {0: 2, 1: 2, 2: 2}
    shown = Counter(order.tolist())
    assert max(shown[k] for k in range(20)) == 1  # 8 of its 20
    assert sorted(shown[k] for k in (20, 21, 22)) == [2, 3, 3]  # 8 = 3 + 3 + 2
    assert shown[23] == 8
    others = epoch_batches(labels, 6, SamplingParams(balance="identity"), rng(1))
    assert not np.array_equal(order, np.concatenate(others))
    left = set(range(20)) - set(order.tolist())
    assert left & set(np.concatenate(others).tolist())  # another epoch shows what this left out


def test_a_seed_is_an_order() -> None:
    labels = np.arange(30) % 4
    for balance in ("none", "identity"):
        params = SamplingParams(balance=balance)  # type: ignore[arg-type]
        first, again, other = (epoch_batches(labels, 8, params, rng(k)) for k in (0, 0, 1))
        assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
        assert any(not np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_a_clip_is_changed_alike_whichever_are_beside_it() -> None:
    params = ClipAugment(mirror=0.5, velocity_jitter=0.2, time_crop=0.3, time_shift=0.5,
                         time_mask=0.4, velocity_mask=0.4)  # fmt: skip
    images = torch.from_numpy(rng().integers(0, 256, (8, 24, 32)).astype(np.uint8))
    chance = rng(1).random((8, N_CHANCES))
    together = augment(images, params, chance)
    for k in range(8):
        assert torch.equal(augment(images[k : k + 1], params, chance[k : k + 1])[0], together[k])
    assert not torch.equal(together, images)


def ridge(rows: np.ndarray, at: float) -> np.ndarray:
    """A line of Gaussian profile, 4 rows wide, about row `at`."""
    return np.asarray(200 * np.exp(-(((rows - at) / 4) ** 2)))


def test_velocity_jitter_multiplies_velocities() -> None:
    # 101 rows, the middle one is 50; a line 30 rows from it.
    rows = np.arange(101.0)
    image = torch.from_numpy(np.repeat(ridge(rows, 80)[:, None], 40, 1).astype(np.uint8))
    chance = np.zeros((3, N_CHANCES))
    chance[:, 1] = 0.0, 0.5, 0.99999999  # factors 0.8, 1 and 1.2
    varied = augment(image.expand(3, -1, -1), ClipAugment(velocity_jitter=0.2), chance).double()
    centres = (varied[:, :, 7] * torch.from_numpy(rows)).sum(1) / varied[:, :, 7].sum(1)
    assert centres.numpy() == pytest.approx([50 + 24, 80, 50 + 36], abs=0.15)
    assert torch.equal(varied[1].to(torch.uint8), image)


def test_time_crop_stretches_a_piece_to_the_whole() -> None:
    # Columns count 0 .. 100; half is kept: from column 0, 25 or 50 on.
    image = torch.arange(101, dtype=torch.uint8).expand(1, 5, -1)
    chance = np.zeros((3, N_CHANCES))
    chance[:, 2], chance[:, 3] = 1.0, (0.0, 0.5, 1.0)
    varied = augment(image.expand(3, -1, -1), ClipAugment(time_crop=0.5), chance)
    for k, start in enumerate((0, 25, 50)):
        expected = start + np.arange(101) / 2
        assert varied[k, 2].numpy() == pytest.approx(expected, abs=0.51)


def test_mirrored_says_which_clips_turn() -> None:
    image = torch.arange(12, dtype=torch.uint8).reshape(1, 3, 4).expand(50, -1, -1)
    chance = rng().random((50, N_CHANCES))
    params = ClipAugment(mirror=0.4)
    turned = mirrored(params, chance)
    varied = augment(image, params, chance)
    assert 0 < turned.sum() < 50
    for k in range(50):
        assert torch.equal(varied[k], image[0].flip(0) if turned[k] else image[0])
    assert not mirrored(ClipAugment(), chance).any()
