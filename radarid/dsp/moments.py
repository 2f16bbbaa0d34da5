"""What stands still and what moves in blocks of slow time: mean and energy of range profiles."""

from __future__ import annotations

import numpy as np

from radarid.dsp import kernels


class Moments:
    """Mean over the valid samples of each block, and the energy about it, summed over antennas.

    Parameters
    ----------
    n_blocks, n : how many blocks, one after the other, of how many samples each
    n_virtual, n_bins : shape of a sample
    first : sample that the first block begins with, of those that are measured

    Attributes
    ----------
    means : complex64 (n_blocks, n_virtual, n_bins); 0 where nothing is valid
    energy : float32 (n_blocks, n_bins), mean of abs(x - mean)^2; NaN where nothing is valid
    """

    def __init__(self, n_blocks: int, n: int, n_virtual: int, n_bins: int, first: int = 0) -> None:
        self.n, self.first = n, first
        self.means = np.empty((n_blocks, n_virtual, n_bins), np.complex64)
        self.energy = np.empty((n_blocks, n_bins), np.float32)

    @property
    def room(self) -> tuple[int, int, np.ndarray, np.ndarray, np.ndarray]:
        """For the kernels: first sample, samples of a block, means, energy, and scratch memory."""
        n_blocks, n_virtual, n_bins = self.means.shape
        means = self.means.view(np.float32).reshape(n_blocks, 2 * n_virtual * n_bins)
        return self.first, self.n, means, self.energy, np.empty(means.shape[1], np.float32)

    def measure(self, profiles: np.ndarray, valid: np.ndarray) -> None:
        """Fill them in.

        Parameters
        ----------
        profiles : complex64 array, shape (n_samples, n_virtual, n_bins), contiguous
        valid : bool array, shape (n_samples,)
        """
        if kernels.COMPILES:
            kernels.block_moments(profiles.view(np.float32), valid, *self.room)
            return
        for k, (mean, energy) in enumerate(zip(self.means, self.energy, strict=True)):
            own = slice(self.first + k * self.n, self.first + (k + 1) * self.n)
            received = profiles[own][valid[own]].astype(complex)
            mean[:] = received.mean(axis=0) if len(received) else 0
            energy[:] = received.var(axis=0).sum(axis=0) if len(received) else np.nan
