"""When frames happened: a straight line through the kernel's times of arrival."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_MIN_FRAMES = 8
_MAX_FRAMES = 4096
_N_ROBUST = 128
_N_ROUNDS = 20
_LATE_SIGMAS = 3.0
_RESOLUTION_NS = 1.0


@dataclass(frozen=True, slots=True)
class ClockFit:
    """The radar's frame clock on the host's.

    Attributes
    ----------
    start_ns : host time of frame 0
    period_s : fitted frame period
    ppm : how much longer it is than nominal, parts per million
    residual_s : rms distance of the accepted frames from the line
    n_frames : accepted frames
    """

    start_ns: int
    period_s: float
    ppm: float
    residual_s: float
    n_frames: int


class FrameClock:
    """Straight line of frame time against frame index, robust against late arrivals.

    A packet is stamped when it arrives, never before it was sent: errors are a small jitter, and
    now and then a long delay. So the fit starts from a line that up to a quarter of wild points
    cannot move (medians of pairwise slopes, Theil 1950 and Sen 1968), and goes on with least
    squares over the frames that are not more than three sigmas late, sigma taken from the median
    distance, until the choice no longer changes.

    Memory is bounded: of a long stream every second, fourth, ... frame index is kept, so that
    2048 to 4096 frames span the whole of it.

    Parameters
    ----------
    nominal_period_s : frame period of the configuration
    """

    def __init__(self, nominal_period_s: float) -> None:
        self._nominal_ns = nominal_period_s * 1e9
        self.reset()

    def reset(self) -> None:
        """Forget everything, at a restart of the stream."""
        self._points: list[tuple[int, int]] = []
        self._stride = 1
        self._fit: ClockFit | None = None
        self._n_unfitted = 0

    def add(self, index: int, time_ns: int) -> None:
        """Take the arrival of a frame; indices rise, and some may be missing.

        Unknown times (0) and indices that do not rise are ignored.
        """
        known = time_ns and (not self._points or index > self._points[-1][0])
        if not known or index % self._stride:
            return
        self._points.append((index, time_ns))
        self._n_unfitted += 1
        while len(self._points) > _MAX_FRAMES:
            self._stride *= 2
            self._points = [point for point in self._points if point[0] % self._stride == 0]

    def fit(self) -> ClockFit | None:
        """Fit the line to all frames so far; None with less than eight."""
        if self._n_unfitted and len(self._points) >= _MIN_FRAMES:
            self._fit, self._n_unfitted = self._fitted(), 0
        return self._fit

    def frame_time_ns(self, index: int) -> int | None:
        """Host time at which a frame began to arrive.

        By a fit that may be a few per cent of the stream old, since a fit takes milliseconds.
        Before there is one, nominal steps from the first frame; None before any frame.
        """
        is_stale = 32 * self._n_unfitted > len(self._points)
        fit = self.fit() if is_stale else self._fit
        if fit is not None:
            return fit.start_ns + round(index * fit.period_s * 1e9)
        if not self._points:
            return None
        first, time_ns = self._points[0]
        return time_ns + round((index - first) * self._nominal_ns)

    def _fitted(self) -> ClockFit:
        # Differences from the first frame and the nominal line are small enough for a double.
        first, first_ns = self._points[0]
        steps = np.array([index - first for index, _ in self._points], np.float64)
        late = np.array([time_ns - first_ns for _, time_ns in self._points], np.float64)
        late -= steps * self._nominal_ns
        slope, offset, accepted = _trimmed_line(steps, late)
        period_ns = self._nominal_ns + slope
        residual = (late - offset - slope * steps)[accepted]
        return ClockFit(
            start_ns=first_ns + round(offset - first * period_ns),
            period_s=period_ns * 1e-9,
            ppm=slope / self._nominal_ns * 1e6,
            residual_s=float(np.sqrt(np.mean(residual**2))) * 1e-9,
            n_frames=int(accepted.sum()),
        )


def _trimmed_line(x: np.ndarray, y: np.ndarray) -> tuple[float, float, np.ndarray]:
    """Slope, offset and accepted points of a line through points that may lie far too high."""
    slope, offset = _median_line(x, y)
    accepted = np.zeros(len(x), np.bool_)
    for _ in range(_N_ROUNDS):
        residual = y - offset - slope * x
        sigma = 1.4826 * float(np.median(np.abs(residual - np.median(residual))))
        late_by = residual - np.median(residual)
        chosen = late_by <= _LATE_SIGMAS * max(sigma, _RESOLUTION_NS)
        if np.array_equal(chosen, accepted):
            break
        accepted = chosen
        centre = x[accepted].mean()
        weights = x[accepted] - centre
        slope = float(weights @ y[accepted] / (weights @ weights))
        offset = float(y[accepted].mean() - slope * centre)
    return slope, offset, accepted


def _median_line(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    rows = np.unique(np.linspace(0, len(x) - 1, _N_ROBUST).astype(int))
    first, second = np.triu_indices(len(rows), 1)
    run = x[rows][second] - x[rows][first]
    rise = y[rows][second] - y[rows][first]
    slope = float(np.median(rise[run > 0] / run[run > 0]))
    return slope, float(np.median(y - slope * x))
