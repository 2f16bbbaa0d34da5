"""From scores to evidence: two normal distributions, and how sure a counted share is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv

from radarid.errors import GalleryError

_LEAST_VARIANCE = 1e-6


@dataclass(frozen=True)
class ScoreModel:
    """Normal distributions of the clips' scores of the own person, and of strangers.

    Attributes
    ----------
    own, strange : means
    within : variance of a walk's clips around the walk's mean
    between : variance of the walks' means
    """

    own: float
    strange: float
    within: float
    between: float

    def evidence(self, mean: np.ndarray, n_clips: np.ndarray | float) -> np.ndarray:
        """Log-likelihood ratio of a walk, in nats; positive speaks for the person.

        Parameters
        ----------
        mean : float array, mean score of the walk's clips
        n_clips : how many there were, > 0; broadcast against `mean`

        Notes
        -----
        The clips of a walk are alike, so that n of them are not n proofs: with covariance
        `within I + between 1 1'` for both kinds, the ratio of the two normal densities is
        `n (own - strange) (mean - (own + strange) / 2) / (within + n between)`.
        """
        middle = (self.own + self.strange) / 2
        weight = n_clips / (self.within + n_clips * self.between)
        return np.asarray(weight * (self.own - self.strange) * (mean - middle))


def fit(own: list[np.ndarray], strange: list[np.ndarray]) -> ScoreModel:
    """Fit the model of scores, by moments.

    Parameters
    ----------
    own, strange : float arrays (n_clips,), one a walk: clip scores as oneself and as others

    Notes
    -----
    Both variances are means of the two kinds': strangers are many more, but not more telling.
    The variance of walk means is reduced by what the clips' scatter adds to it.

    Raises
    ------
    GalleryError
        People are no more like themselves than like others.
    """
    means = [np.array([walk.mean() for walk in kind]) for kind in (own, strange)]
    within, between = [], []
    for kind, mean in zip((own, strange), means, strict=True):
        n = np.array([len(walk) for walk in kind])
        squares = sum(float(((walk - walk.mean()) ** 2).sum()) for walk in kind)
        within.append(squares / max(1, int((n - 1).sum())))
        between.append(max(0.0, float(mean.var(ddof=min(1, len(mean) - 1)))
                           - within[-1] * float((1 / n).mean())))  # fmt: skip
    model = ScoreModel(
        float(means[0].mean()), float(means[1].mean()),
        max(sum(within) / 2, _LEAST_VARIANCE), sum(between) / 2,
    )  # fmt: skip
    if model.own <= model.strange:
        raise GalleryError(
            "the student takes people no more for themselves than for others",
            got=f"mean score {model.own:.3f} as oneself, {model.strange:.3f} as somebody else",
            remedy="train longer, or on more people: radarid evaluate shows what it can do",
        )
    return model


def binomial_interval(n_hits: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Exact interval of a share, of which `n_hits` of `n` were seen (Clopper and Pearson 1934).

    It takes the n for independent: walks of one person are more alike, so it is the least one.
    """
    tail = (1 - level) / 2
    low = betaincinv(n_hits, n - n_hits + 1, tail) if n_hits else 0.0
    high = betaincinv(n_hits + 1, n - n_hits, 1 - tail) if n_hits < n else 1.0
    return float(low), float(high)
