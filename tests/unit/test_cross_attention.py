"""The cross-attention composer: its formula, its size, and what it accepts."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from radarid.learn.composer import CrossAttention

F64 = torch.float64


def built(**options: int) -> CrossAttention:
    torch.manual_seed(1)
    made = CrossAttention(8, 8, 5, 4, n_heads=2, n_side=options.pop("n_side", 2), **options)
    return made.double().eval()


def attended(layer: nn.MultiheadAttention, queries: Tensor, keys: Tensor) -> Tensor:
    """Attention of one sample by loops over heads and queries, shape (n_queries, n)."""
    n, n_heads = queries.shape[1], layer.num_heads
    width = n // n_heads
    weights, biases = layer.in_proj_weight.detach().chunk(3), layer.in_proj_bias.detach().chunk(3)
    q, k, v = (
        x @ w.T + b for x, w, b in zip((queries, keys, keys), weights, biases, strict=True)
    )
    result = torch.zeros(len(queries), n, dtype=F64)
    for head in range(n_heads):
        part = slice(head * width, (head + 1) * width)
        for i in range(len(queries)):
            scores = [float(q[i, part] @ key[part]) / math.sqrt(width) for key in k]
            powers = [math.exp(score) for score in scores]
            for power, value in zip(powers, v, strict=True):
                result[i, part] += power / sum(powers) * value[part]
    return result @ layer.out_proj.weight.detach().T + layer.out_proj.bias.detach()


def test_fused_tokens_are_those_of_the_formula() -> None:
    composer = built()
    maps = [torch.randn(3, 8, 2, 2, dtype=F64) for _ in range(2)]
    found = composer.fuse(*maps)
    linear, norm, _ = composer.merge
    for i in range(3):
        teacher, student = (m[i].flatten(1).T for m in maps)
        asked = torch.cat([
            attended(composer.from_teacher, teacher, student),
            attended(composer.from_student, student, teacher),
        ], dim=1)  # fmt: skip
        expected = norm(linear(asked)).relu()
        assert torch.allclose(found[i], expected, atol=1e-10)


def test_a_vector_is_one_token_repeated_for_every_place() -> None:
    composer = built()
    face, maps = torch.randn(2, 8, dtype=F64), torch.randn(2, 8, 2, 2, dtype=F64)
    found = composer.fuse(face, maps)
    assert found.shape == (2, 4, 8)
    repeated = composer.fuse(face[:, :, None, None].expand(-1, -1, 2, 2), maps)
    assert torch.allclose(found, repeated, atol=1e-12)


def test_has_the_size_of_the_published_teacher() -> None:
    # The released student and teacher have 35 614 367 parameters together. Of these are the
    # student's 23 481 562 (23 498 010 with an embedding of 128; 64 x 257 fewer with 64), those of
    # the encoder of pictures 4 896 896 and of two projections of features 2 x 131 328.
    teacher = 35_614_367 - 23_481_562 - 4_896_896 - 2 * 131_328
    composer = CrossAttention(512, 512, 64, n_subjects=20, n_directions=5)
    n_parameters = sum(p.numel() for p in composer.parameters())
    assert n_parameters - 20 * 513 == teacher


def test_embedding_has_unit_length_and_outputs_agree_with_forward() -> None:
    composer = built(n_directions=2)
    face, maps = torch.randn(3, 8, dtype=F64), torch.randn(3, 8, 6, 6, dtype=F64)
    outputs = composer.outputs(face, maps)
    fused, logits = composer(face, maps)
    assert outputs.embedding is not None
    assert torch.equal(fused, outputs.embedding)
    assert outputs.logits is not None
    assert torch.equal(logits, outputs.logits)
    assert torch.allclose(fused.norm(dim=1), torch.ones(3, dtype=F64))
    assert outputs.direction is not None
    assert outputs.direction.shape == (3, 2)
    assert torch.allclose(outputs.features["pooled"], composer.fuse(face, maps).mean(1))
    # Larger maps are averaged down to the places that there are.
    small = maps.unflatten(3, (2, 3)).unflatten(2, (2, 3)).mean(dim=(3, 5))
    assert torch.allclose(composer.outputs(face, small).logits, logits, atol=1e-12)  # type: ignore[arg-type]


def test_gradients_reach_both_sides_and_every_parameter() -> None:
    composer = built(n_directions=2).train()
    torch.manual_seed(0)
    teacher, student = (torch.randn(6, 8, 2, 2, dtype=F64).requires_grad_() for _ in range(2))
    outputs = composer.outputs(teacher, student)
    assert outputs.embedding is not None
    assert outputs.logits is not None
    assert outputs.direction is not None
    total = outputs.embedding[:, 0].sum() + outputs.logits.square().sum()
    (total + outputs.direction.square().sum()).backward()
    for name, tensor in [("teacher", teacher), ("student", student), *composer.named_parameters()]:
        assert tensor.grad is not None, name
        assert bool(tensor.grad.any()), name


@pytest.mark.parametrize(("n_student", "shape"), [(8, (4, 8)), (12, (4, 12))])
def test_serves_where_the_residual_composer_does(n_student: int, shape: tuple[int, int]) -> None:
    composer = CrossAttention(8, n_student, 8, 3, n_heads=2, n_side=1)
    fused, logits = composer(torch.randn(4, 8), torch.randn(shape))
    assert fused.shape == (4, 8)
    assert logits.shape == (4, 3)
