"""Raw words of a frame -> complex range profiles of its slow-time series."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from capture import layouts
from capture.config import RadarConfig
from capture.file.recording import FileRecording
from capture.types import AdcFrame
from radarid.dsp import convert, kernels, kernels_lanes
from radarid.dsp.moments import Moments
from radarid.dsp.params import DspParams
from radarid.errors import ParameterError

_SAME_SLOPE = 0.01  # moves the farthest bin by less than 1 %
_TAPERS: dict[str, Callable[[int], np.ndarray]] = {
    "hann": np.hanning, "hamming": np.hamming, "blackman": np.blackman, "boxcar": np.ones,
}  # fmt: skip
_TILE_WORDS = 1 << 17  # 256 KB are read at once
_TILE_CHIRPS = 16  # keeps a tile of 4 antennas x 256 samples in half a megabyte of cache
_ALL, _NONE = np.empty(0, bool), Moments(0, 1, 0, 1)


def taper(name: str, n: int) -> np.ndarray:
    """Taper of unit energy (sum of squares 1), float32, shape (n,), periodic.

    White noise of variance s^2 keeps variance s^2 in every bin of the transform; a tone gains
    10 log10 n dB on it, less the taper's loss (1.76 dB for Hann).

    Parameters
    ----------
    name : of `scipy.signal.get_window`, with its parameters after colons, such as 'hann',
        'chebwin:120' or 'kaiser:8.6'
    n : samples

    Raises
    ------
    ParameterError
        No such taper.
    """
    if name in _TAPERS:
        window = _TAPERS[name](n + 1)[:n]
    else:
        import scipy.signal  # takes longer to import than the first image to compute

        kind, *numbers = name.split(":")
        try:
            asked: Any = (kind, *map(float, numbers))
            window = scipy.signal.get_window(asked, n)
        except (ValueError, TypeError) as failure:
            raise ParameterError(
                f"no such taper: {failure}", got=name,
                expected="a window of scipy.signal, its parameters after colons: 'chebwin:120'",
            ) from None  # fmt: skip
    return np.asarray(window / np.sqrt(np.sum(window**2)), dtype=np.float32)


class RangeStage:
    """Range transform of whole frames; keeps scratch memory, so one thread at a time may use it.

    Parameters
    ----------
    radar : waveform of the frames
    params : range window, transform length and kept range

    Attributes
    ----------
    range_m : float64 array, shape (n_bins,), centres of the kept bins
    n_slow : slow-time instants of a frame

    Raises
    ------
    ParameterError
        Fewer than three range bins are kept, or chirps with different slopes, which share no
        range axis.
    """

    def __init__(self, radar: RadarConfig, params: DspParams) -> None:
        _check_slopes(radar)
        self.radar = radar
        self.n_fft = params.range_fft_length(radar)
        self.bins = convert.kept_bins(radar, self.n_fft, params.min_range_m, params.max_range_m)
        if self.bins.stop - self.bins.start < 3:
            raise ParameterError(
                "fewer than three range bins are kept",
                got=f"{params.min_range_m} to {params.max_range_m} m",
                expected=f"bins of {convert.range_bin_m(radar, self.n_fft):.3g} m"
                f" up to {radar.max_range_m:.4g} m",
                remedy="widen min_range_m to max_range_m",
            )
        numbers = np.arange(self.bins.start, self.bins.stop)
        self.range_m = convert.bins_to_range_m(radar, self.n_fft, numbers)
        self._words_shape = radar.n_chirps, radar.words_per_chirp
        self._shape = radar.n_chirps, radar.n_rx, len(numbers)
        self._shift = 16 - radar.adc_bits
        self._taper = taper(params.range_window, radar.n_samples) * np.float32(2.0**-self._shift)
        self._groups = radar.slow_time_groups
        self.n_slow = radar.n_slow
        self._layout = ""
        self._order: tuple[np.ndarray, ...] = ()
        self._vectors = radar.is_complex and kernels.vectors_fit(
            self.n_fft, min(radar.n_chirps, radar.words_per_chirp // 2)
        )
        if self._vectors:
            padded = np.zeros(self.n_fft, np.float32)
            padded[: radar.n_samples] = self._taper * np.float32(2.0**self._shift)
            self._padded_taper = kernels_lanes.in_order(self.n_fft, padded)
            self._units = kernels.scratch(radar.words_per_chirp // 2 * kernels.LANES, np.int32)
            self._work = kernels.scratch(4 * self.n_fft * kernels.LANES)
            n_tile = max(_TILE_WORDS // radar.words_per_chirp, 2 * kernels.LANES)
            self._tile = np.empty((min(n_tile, radar.n_chirps), radar.words_per_chirp), np.int16)

    def __call__(
        self, frame: AdcFrame, out: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Transform one frame.

        Parameters
        ----------
        frame : of this stage's waveform
        out : complex64 array, shape (n_slow, n_virtual, n_bins), where to write the profiles

        Returns
        -------
        profiles : complex64 array, shape (n_slow, n_virtual, n_bins)
            ``profiles[i, v, b]`` is the echo in range bin b of slow-time instant i; virtual
            antennas count receive antennas inside slow-time series. Unit: ADC counts, scaled
            so that white noise keeps its variance.
        valid : bool array, shape (n_slow,)
            Whether every chirp of the instant was received.

        Raises
        ------
        ParameterError
            The frame is of another waveform or shape.
        """
        self._check(frame)
        frame_words = np.ascontiguousarray(frame.words)  # HSI headers lie between the chirps
        direct = out is not None and len(self._groups) == 1
        chirps = out if direct and out is not None else np.empty(self._shape, np.complex64)
        if self._vectors:
            self._transform(frame_words, frame.layout, chirps)
        else:
            self._plain(frame_words, self._word_order(frame.layout), chirps)
        profiles, valid = self._by_series(chirps, frame.valid)
        if out is not None and not direct:
            out[:] = profiles
        return profiles, valid

    def read(
        self, recording: FileRecording, first: int, out: np.ndarray, moments: Moments
    ) -> np.ndarray:
        """Read and transform some frames; the same as one after the other by `__call__`.

        Where nothing but chirps lies in the file, the kernel reads them itself, a few at a time,
        so that they are in the cache when they are transformed, and without the interpreter.

        Parameters
        ----------
        recording : of this stage's waveform
        first : number of the first frame
        out : complex64 array, shape (n_frames * n_slow, n_virtual, n_bins), filled
        moments : of blocks of them, filled in

        Returns
        -------
        bool array, shape (n_frames * n_slow,), whether every chirp of the instant was received
        """
        stop = first + len(out) // self.n_slow
        config = recording.info.config
        if config is not self.radar and config != self.radar:
            self._check(recording.frame(first))
        if self._vectors and len(self._groups) == 1 and kernels.CAN_READ:
            place = recording.place_of(first, stop)
            valid, layout = recording.valid(first, stop), recording.info.layout
            if place is not None and len(out) == self._transform(
                self._tile, layout, out, place, valid, moments
            ):
                return valid
        valid = np.empty(len(out), bool)
        for index in range(first, stop):
            rows = slice((index - first) * self.n_slow, (index - first + 1) * self.n_slow)
            valid[rows] = self(recording.frame(index), out[rows])[1]
        moments.measure(out, valid)
        return valid

    def _transform(
        self, words: np.ndarray, layout: str, chirps: np.ndarray,
        place: tuple[int, int] = (-1, 0), valid: np.ndarray = _ALL, moments: Moments = _NONE,
    ) -> int:  # fmt: skip
        """Words of chirps -> profiles of all antennas, by the kernel; how many were there.

        With `place`, a file and a byte in it, the words are read from there into `words`.
        """
        file, byte = place
        first, n_block, means, energy, spread = moments.room
        return int(kernels.range_profiles(
            file, byte, words, self._word_order(layout), np.int32(16 + self._shift),
            self._padded_taper, kernels_lanes.plan(self.n_fft), self.bins.start, self._units,
            self._work, chirps.view(np.float32), valid, first, n_block, means, energy, spread,
        ))  # fmt: skip

    def _plain(self, words: np.ndarray, order: tuple[np.ndarray, ...], chirps: np.ndarray) -> None:
        """Range transform by `scipy.fft`, a few chirps at a time."""
        import scipy.fft  # takes longer to import than the first image to compute

        for start in range(0, len(words), _TILE_CHIRPS):
            tile_words = words[start : start + _TILE_CHIRPS]
            if self._shift:  # a 12 or 14 bit word's sign moves to the sign bit of the int16
                tile_words = tile_words << self._shift
            shape = (len(tile_words), self.radar.n_rx, self.radar.n_samples)
            tile = np.empty(shape, np.complex64)
            kernels.window_samples(tile_words, order[0], order[1], self._taper, tile)
            spectrum = scipy.fft.fft(tile, self.n_fft, axis=-1, overwrite_x=True)
            chirps[start : start + _TILE_CHIRPS] = spectrum[..., self.bins]

    def _by_series(self, chirps: np.ndarray, valid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Chirps of one slow-time series after another -> series side by side."""
        if len(self._groups) == 1:
            return chirps, valid
        profiles = np.concatenate([chirps[group] for group in self._groups], axis=1)
        received = np.logical_and.reduce([valid[group] for group in self._groups])
        return profiles, received

    def _word_order(self, layout: str) -> tuple[np.ndarray, ...]:
        """Where every sample's words are, in the way that the kernel in use wants it."""
        if layout != self._layout:
            i_index, q_index = layouts.word_order(layout, self.radar)
            if self._vectors and q_index is not None:
                self._order = self._place_in_pairs(i_index, q_index)
            else:
                # Unsigned, so that the kernel need not ask at every word if an index is negative.
                none = np.empty((0, 0), np.uint32)
                q_index = none if q_index is None else q_index.astype(np.uint32)
                self._order = i_index.astype(np.uint32), q_index
            self._layout = layout
        return self._order

    def _place_in_pairs(self, i_index: np.ndarray, q_index: np.ndarray) -> tuple[np.ndarray, ...]:
        """For the vector kernel: where each antenna's pairs of words are, and each word in them.

        Spans (n_rx, 2) of pairs in a chirp; from there on, the place of each sample's pair among
        registers and how far up its sign is in it, (n_rx, n_fft, 2) both.
        """
        index = np.stack([i_index, q_index], axis=1).astype(np.int64)
        n_pairs = self.radar.words_per_chirp // 2
        first = index.min(axis=(1, 2)) // 2
        stop = index.max(axis=(1, 2)) // 2 + 1
        first = np.minimum(first, n_pairs - kernels.LANES)
        place = np.zeros((len(index), 2, self.n_fft), np.int64)
        place[..., : index.shape[2]] = (index // 2 - first[:, None, None]) * kernels.LANES
        # The even word of a pair is its lower half: it must rise by another 16 bits.
        up = np.full(place.shape, self._shift + 16, np.int32)
        up[..., : index.shape[2]] -= 16 * (index & 1)
        tables = [
            np.moveaxis(kernels_lanes.in_order(self.n_fft, table), 1, 2) for table in (place, up)
        ]
        return np.stack([first, stop], axis=1), *(np.ascontiguousarray(table) for table in tables)

    def _check(self, frame: AdcFrame) -> None:
        if frame.config is not self.radar and frame.config != self.radar:
            raise ParameterError(
                "the frame is of another waveform than the stream",
                where=f"frame {frame.index}",
                got=frame.config.fingerprint,
                expected=self.radar.fingerprint,
            )
        expected = self._words_shape
        if frame.words.shape != expected or frame.valid.shape != expected[:1]:
            raise ParameterError(
                "the frame's words have the wrong shape",
                where=f"frame {frame.index}",
                got=f"words {frame.words.shape}, valid {frame.valid.shape}",
                expected=f"words {expected}",
            )


def _check_slopes(radar: RadarConfig) -> None:
    slopes = [radar.slope_hz_per_s + chirp.slope_offset_hz_per_s for chirp in radar.chirps]
    if max(slopes) - min(slopes) > _SAME_SLOPE * max(map(abs, slopes)):
        raise ParameterError(
            "chirps of one loop have different slopes, so that their range bins differ",
            where="chirps",
            got=", ".join(f"{slope * 1e-12:.5g}" for slope in slopes) + " MHz/us",
            expected=f"slopes that differ by at most {_SAME_SLOPE:.0%}",
            remedy="use one slope for all chirps of the loop",
        )
