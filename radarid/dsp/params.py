"""`DspParams`: every choice between raw chirps and a clip image, with its default."""

from __future__ import annotations

from typing import Literal

from capture.config import RadarConfig
from capture.schema import config_class
from radarid.errors import ParameterError

_WINDOW_S, _MIN_WINDOW = 15.36e-3, 32


@config_class
class DspParams:
    """Signal processing from raw chirps to 256 x 256 micro-Doppler images.

    The defaults follow published gait practice at 77 GHz: windows of 10 to 60 ms, power summed
    over range and antennas without phase, 45 dB of span, clips of two to three steps.

    Attributes
    ----------
    n_fft_range : length of the range transform; 0 for the number of samples of a chirp
    range_window : taper over the samples of a chirp: 'hann', or any of scipy.signal's, with its
        parameters after colons, such as 'chebwin:120'
    min_range_m, max_range_m : range bins that are kept
    clutter : 'mean' subtracts each range bin's mean over the frame (over the window where slow
        time runs across frames), which also blanks about +-1 / (averaging time) of Doppler;
        'highpass' filters slow time, 'exponential' subtracts a running background
    highpass_hz : corner of the 'highpass'
    background_s : time constant of the 'exponential' background
    slow_time : 'frame' keeps windows inside frames, 'continuous' lets them run across frames,
        'burst' averages each frame to one chirp; 'auto' follows the radar's timing
    window_chirps : chirps in a slice's window, at most (a frame may hold fewer); 0 for those of
        15.4 ms, which are 128 of the paper's radar, but for no fewer than 32
    doppler_window : taper over the chirps of a window, likewise
    slices_per_frame : slices in a frame ('frame' only), evenly placed
    hop_chirps : chirps from one slice to the next ('continuous' and 'burst')
    velocity_oversampling : Doppler bins per chirp of the window, at least (zero padding); from 2
        on the power at every pixel is exact, with 1 it is interpolated linearly
    merge : 'power' sums the receive antennas' powers; 'coherent' forms one beam towards the
        walker before the slow-time transform
    planes : 'one' image plane, the sum over range bins; 'stack' adds the maximum over them and
        the torso's bin alone; 'multires' adds windows of half and a quarter of the length
    max_walkers : more than one are tracked apart, and each has slices of its own
    compat : 'gaitsada' or 'paper' reproduce a published chain with its axes
    gate_m : half width of the range gate around the walker; inf sums all kept bins
    track_lag_s : how far the range track looks ahead before it decides
    track_speed_mps : the fastest radial motion of a walker's body that the track follows
    max_velocity_mps : ends of the velocity axis; less where the radar's own limit is less
    image_size : pixels of a clip along velocity, and along time
    clip_s, hop_s : duration of a clip, and time from one clip to the next
    span_db : from a clip's peak (99.9 % quantile) down to black
    noise_margin_db : pixels up to this far above the noise floor are black
    min_valid : least fraction of received chirps in a slice that counts as valid
    min_presence_db : least level of the walker's range bin over the noise
    min_speed_mps : a walker has parts at least this fast; who only breathes has not
    min_quality : least fraction of a clip's columns that are valid and show a walker
    """

    n_fft_range: int = 0
    range_window: str = "hann"
    min_range_m: float = 0.5
    max_range_m: float = 10.0
    clutter: Literal["mean", "highpass", "exponential", "none"] = "mean"
    highpass_hz: float = 50.0
    background_s: float = 1.0
    slow_time: Literal["auto", "frame", "continuous", "burst"] = "auto"
    window_chirps: int = 0
    doppler_window: str = "hann"
    slices_per_frame: int = 4
    hop_chirps: int = 16
    velocity_oversampling: int = 2
    merge: Literal["power", "coherent"] = "power"
    planes: Literal["one", "stack", "multires"] = "one"
    max_walkers: int = 1
    compat: Literal["none", "gaitsada", "paper"] = "none"
    gate_m: float = 0.8
    track_lag_s: float = 0.27
    track_speed_mps: float = 3.0
    max_velocity_mps: float = 4.0
    image_size: int = 256
    clip_s: float = 2.0
    hop_s: float = 0.5
    span_db: float = 45.0
    noise_margin_db: float = 4.0
    min_valid: float = 0.8
    min_presence_db: float = 6.0
    min_speed_mps: float = 0.3
    min_quality: float = 0.6

    def __post_init__(self) -> None:
        for key in (
            "slices_per_frame", "hop_chirps", "velocity_oversampling", "max_walkers",
            "highpass_hz", "background_s", "gate_m", "track_speed_mps", "max_velocity_mps",
            "clip_s", "hop_s", "span_db",
        ):  # fmt: skip
            if not getattr(self, key) > 0:
                raise ParameterError(f"'{key}' must be positive", got=getattr(self, key))
        for key in ("n_fft_range", "track_lag_s", "min_range_m"):
            if not getattr(self, key) >= 0:
                raise ParameterError(f"'{key}' must not be negative", got=getattr(self, key))
        for key in ("min_valid", "min_quality"):
            if not 0 <= getattr(self, key) <= 1:
                raise ParameterError(f"'{key}' must lie in 0 to 1", got=getattr(self, key))
        if (self.window_chirps < 4 and self.window_chirps != 0) or self.image_size < 2:
            raise ParameterError(
                "a slice needs 4 chirps and an image 2 pixels, at least",
                got=f"window_chirps = {self.window_chirps}, image_size = {self.image_size}",
            )

    def window_length(self, interval_s: float) -> int:
        """Samples in a slice's window where slow time is sampled every `interval_s` seconds."""
        return self.window_chirps or max(_MIN_WINDOW, round(_WINDOW_S / interval_s))

    def range_fft_length(self, radar: RadarConfig) -> int:
        """Length of the range transform for this radar.

        Raises
        ------
        ParameterError
            The transform would be shorter than the chirp.
        """
        if 0 < self.n_fft_range < radar.n_samples:
            raise ParameterError(
                "the range transform is shorter than a chirp",
                where="n_fft_range",
                got=self.n_fft_range,
                expected=f"0, or at least {radar.n_samples} samples",
            )
        return self.n_fft_range or radar.n_samples
