"""What the vector unit can do at most: fused multiply-adds that hardly leave the registers."""

from __future__ import annotations

import numpy as np
from numba import njit

from radarid.dsp.kernels_vectors import LANES, Array, instruction

N_CHAINS = 12
"""Independent chains: enough for two units of four cycles' latency, and for 16 registers."""
_STEPS = 64  # between loading the chains and storing them
FLOP_PER_ROUND = 2 * LANES * N_CHAINS * _STEPS
"""Operations of one round of `multiply_add`."""


@instruction
def _steps(values: Array) -> None:
    chains = [values.vector(k * LANES) for k in range(N_CHAINS)]
    for _ in range(_STEPS):
        chains = [chain * 0.999999 + chain.all(1e-6) for chain in chains]
    for k, chain in enumerate(chains):
        values.put(k * LANES, chain)


@njit(cache=True, nogil=True)
def multiply_add(n_rounds: int, values: np.ndarray) -> None:
    """Replace values, float32 (N_CHAINS LANES,), by v -> a v + b, 64 times in every round."""
    for _ in range(n_rounds):
        _steps(values)
