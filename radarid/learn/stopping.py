"""When a training ends before its last epoch."""

from __future__ import annotations

from pydantic import Field

from capture.schema import config_class


@config_class
class StoppingParams:
    """Early stopping on validation macro recall, which also chooses the weights; off by default.

    Parameters
    ----------
    patience : epochs without a gain after which training ends; None trains to the last epoch
    min_gain : smallest rise of the best score that counts
    """

    patience: int | None = Field(default=None, ge=1)
    min_gain: float = Field(default=0.0, ge=0)


class EarlyStop:
    """Counts epochs since the last gain.

    Parameters
    ----------
    params : patience and least gain

    Attributes
    ----------
    best : the score to beat; None before the first epoch
    n_idle : epochs since it was set
    """

    def __init__(self, params: StoppingParams) -> None:
        self.params = params
        self.best: float | None = None
        self.n_idle = 0

    def observe(self, score: float) -> None:
        """Take an epoch's validation score in."""
        if self.best is None or score > self.best + self.params.min_gain:
            self.best, self.n_idle = score, 0
        else:
            self.n_idle += 1

    @property
    def is_due(self) -> bool:
        """Whether patience is at an end."""
        return self.params.patience is not None and self.n_idle >= self.params.patience
