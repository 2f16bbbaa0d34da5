"""`RadarConfig`: one FMCW waveform in SI units, with every derived quantity as a property."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Literal

import numpy as np

from capture.errors import ConfigError
from capture.schema import config_class, differing_keys, fingerprint

ADC_BUFFER_BYTES = 32 * 1024
"""What an xWR16/18/68 holds of a chirp, or of several, before it is sent."""

C_MPS = 299_792_458.0
"""Speed of light in vacuum, m/s."""


@config_class
class Chirp:
    """One chirp definition of the frame's loop, in transmission order.

    Attributes
    ----------
    tx_mask : bit k set means transmit antenna k is on (several bits: transmitted together)
    bpm_mask : bit k set means transmit antenna k sends with inverted phase (BPM)
    start_frequency_offset_hz, slope_offset_hz_per_s : added to the profile's values
    idle_offset_s, adc_start_offset_s, ramp_end_offset_s : added to the profile's values;
        a chirp of another profile differs by offsets too
    """

    tx_mask: int = 1
    bpm_mask: int = 0
    start_frequency_offset_hz: float = 0.0
    slope_offset_hz_per_s: float = 0.0
    idle_offset_s: float = 0.0
    adc_start_offset_s: float = 0.0
    ramp_end_offset_s: float = 0.0


@config_class
class Subframe:
    """Place of one subframe's chirps inside an advanced frame.

    Attributes
    ----------
    index, n_subframes : which of how many
    lead_bytes, tail_bytes : stored bytes of the subframes before and after it in every frame
    lead_s : start of its first chirp after the start of the frame
    """

    index: int
    n_subframes: int
    lead_bytes: int
    tail_bytes: int
    lead_s: float


HSI_HEADER_BYTES = 52
"""An HSI header without its padding (mmWave SDK, `hsiprotocol.h`)."""


@config_class
class RadarConfig:
    """One radar waveform and the raw format it is recorded in.

    The defaults are the set-up of the authors' own script for the paper's data set (77 GHz,
    15.015 MHz/us, 230 chirps every 33 ms; facts: GaitSADA `setup_mmwave.lua`).

    Attributes
    ----------
    device : name of the TI part
    start_frequency_hz, slope_hz_per_s : of the ramp
    sample_rate_hz, n_samples : ADC rate and samples per chirp
    idle_s, adc_start_s, ramp_end_s : chirp timing; a chirp lasts idle + ramp end
    chirps : chirp definitions of one loop, in transmission order
    n_loops : loops per frame
    n_frames : frames per recording; 0 means until stopped
    frame_period_s : start of one frame to start of the next
    rx_mask : bit k set means receive antenna k is on
    adc_bits : 12, 14 or 16
    adc_format : 'complex1x', 'complex2x' or 'real'
    iq_order : 'IQ' (I in the lower half word) or 'QI' (SampleSwap 1)
    n_lanes : LVDS lanes, 2 (xWR16/18/68) or 4 (xWR12/14)
    rx_gain_db : receive gain
    lvds_lane_rate_bps : bits per second of one LVDS lane
    hsi_header : whether every chirp is stored behind an HSI header and padded (lvdsStreamCfg
        with enableHeader 1)
    hsi_alignment_bytes : what header, padding and samples are a multiple of: 16 in the SDK's
        demos, 256 in firmware that aligns for the data card
    chirps_per_block : chirps that the ADC buffer holds before it is sent, one antenna after the
        other (adcbufCfg, chirp threshold, two lanes); 0: the firmware's choice (`block_chirps`)
    subframe : which part of an advanced frame this waveform is; None for plain frames
    rx_calibration : (real, imaginary) factors that make the antennas' gains and phases equal,
        four RX for each TX, or four for all TX; none: they are equal already
    range_bias_m : what the radar reads too far (delays inside the board), metres
    """

    device: str = "IWR1843"
    start_frequency_hz: float = 77e9
    slope_hz_per_s: float = 15.015e12
    sample_rate_hz: float = 5e6
    n_samples: int = 256
    idle_s: float = 60e-6
    adc_start_s: float = 6e-6
    ramp_end_s: float = 60e-6
    chirps: tuple[Chirp, ...] = (Chirp(),)
    n_loops: int = 230
    n_frames: int = 0
    frame_period_s: float = 33e-3
    rx_mask: int = 0b1111
    adc_bits: Literal[12, 14, 16] = 16
    adc_format: Literal["complex1x", "complex2x", "real"] = "complex1x"
    iq_order: Literal["IQ", "QI"] = "IQ"
    n_lanes: Literal[2, 4] = 2
    rx_gain_db: float = 30.0
    lvds_lane_rate_bps: float = 600e6
    hsi_header: bool = False
    hsi_alignment_bytes: Literal[16, 256] = 16
    chirps_per_block: int = 1
    subframe: Subframe | None = None
    rx_calibration: tuple[tuple[float, float], ...] = ()
    range_bias_m: float = 0.0

    def __post_init__(self) -> None:
        positive = {
            "start_frequency_hz": self.start_frequency_hz,
            "slope_hz_per_s": self.slope_hz_per_s,
            "sample_rate_hz": self.sample_rate_hz,
            "n_samples": self.n_samples,
            "ramp_end_s": self.ramp_end_s,
            "n_loops": self.n_loops,
            "frame_period_s": self.frame_period_s,
            "rx_mask": self.rx_mask,
            "lvds_lane_rate_bps": self.lvds_lane_rate_bps,
            "number of chirps": len(self.chirps),
        }
        for key, value in positive.items():
            if not (value > 0 and math.isfinite(value)):
                raise ConfigError(f"'{key}' must be positive and finite", got=value)
        shortest_s = min(self.chirp_s(chirp) for chirp in self.chirps)
        if shortest_s <= 0:
            raise ConfigError("a chirp lasts no time", got=f"{shortest_s * 1e6:.4g} us")
        if not 0 <= self.chirps_per_block <= 8 or self.n_chirps % (self.chirps_per_block or 1):
            raise ConfigError(
                "'chirps_per_block' must divide the chirps of a frame",
                got=f"{self.chirps_per_block} of {self.n_chirps}",
                expected="0 to 8, 0 for the firmware's own choice",
            )
        self._check_calibration()
        if self.active_s > self.frame_period_s * (1 + 1e-9):
            raise ConfigError(
                "the chirps do not fit into the frame period",
                got=f"{self.n_chirps} chirps lasting {self.active_s * 1e3:.4g} ms",
                expected=f"at most frame_period_s = {self.frame_period_s * 1e3:.4g} ms",
                remedy="fewer loops, shorter chirps or a longer frame period",
            )

    def _check_calibration(self) -> None:
        sizes = [math.hypot(*pair) for pair in self.rx_calibration]
        if len(sizes) % 4 or not all(0 < size < math.inf for size in sizes):
            raise ConfigError(
                "'rx_calibration' must hold four finite factors other than 0 for each TX",
                got=f"{len(sizes)} factors: {self.rx_calibration}",
                remedy="leave it out for antennas that need none",
            )
        if not math.isfinite(self.range_bias_m):
            raise ConfigError("'range_bias_m' must be finite", got=self.range_bias_m)

    # -- antennas ---------------------------------------------------------------------------
    @cached_property
    def rx_antennas(self) -> tuple[int, ...]:
        """Indices of the enabled receive antennas, ascending."""
        return tuple(k for k in range(4) if self.rx_mask >> k & 1)

    @property
    def n_rx(self) -> int:
        """Number of enabled receive antennas *(derived)*."""
        return len(self.rx_antennas)

    @property
    def is_complex(self) -> bool:
        """Whether the ADC delivers I and Q."""
        return self.adc_format != "real"

    # -- time -------------------------------------------------------------------------------
    @property
    def n_chirps(self) -> int:
        """Chirps per frame *(derived)*: definitions per loop times loops."""
        return len(self.chirps) * self.n_loops

    @property
    def chirp_start_s(self) -> np.ndarray:
        """Start of each chirp's ramp after the frame start, float64 (n_chirps,), seconds."""
        ramps = [self.ramp_end_s + c.ramp_end_offset_s for c in self.chirps]
        ends = np.cumsum(np.tile([self.chirp_s(c) for c in self.chirps], self.n_loops))
        return np.asarray(ends - np.tile(ramps, self.n_loops))

    def chirp_s(self, chirp: Chirp) -> float:
        """Duration of one of the chirps, idle time and ramp, seconds *(derived)*."""
        idle_s = self.idle_s + chirp.idle_offset_s
        return idle_s + self.ramp_end_s + chirp.ramp_end_offset_s

    @property
    def loop_s(self) -> float:
        """Duration of one loop over the chirp definitions, seconds *(derived)*."""
        return math.fsum(self.chirp_s(c) for c in self.chirps)

    @cached_property
    def slow_time_groups(self) -> tuple[slice, ...]:
        """Chirps of a frame that belong to one slow-time series each.

        Chirp definitions that differ (another TX in TDM, say) are never strung together; when
        all definitions of the loop are equal the frame is one series.
        """
        if all(chirp == self.chirps[0] for chirp in self.chirps):
            return (slice(0, self.n_chirps, 1),)
        return tuple(slice(k, self.n_chirps, len(self.chirps)) for k in range(len(self.chirps)))

    @property
    def n_slow(self) -> int:
        """Chirps per frame in one slow-time series *(derived)*."""
        return self.n_chirps // len(self.slow_time_groups)

    @property
    def n_virtual(self) -> int:
        """Virtual antennas *(derived)*: slow-time series times receive antennas."""
        return len(self.slow_time_groups) * self.n_rx

    @property
    def slow_time_interval_s(self) -> float:
        """Time between two chirps of one slow-time series, seconds *(derived)*."""
        return self.loop_s * self.n_loops / self.n_slow

    @property
    def active_s(self) -> float:
        """Time in a frame during which chirps run, seconds *(derived)*."""
        return self.loop_s * self.n_loops

    @property
    def gap_s(self) -> float:
        """Silence between the last chirp of a frame and the next frame, seconds *(derived)*."""
        return max(0.0, self.frame_period_s - self.active_s)

    @property
    def is_continuous(self) -> bool:
        """Whether slow time runs on across frames: the gap is under 5 % of a chirp interval."""
        return self.gap_s < 0.05 * self.slow_time_interval_s

    @property
    def duty(self) -> float:
        """Fraction of time during which chirps run *(derived)*."""
        return self.active_s / self.frame_period_s

    # -- frequency, range, velocity ---------------------------------------------------------
    @property
    def sampled_bandwidth_hz(self) -> float:
        """Bandwidth swept while the ADC samples, S Ns / fs *(derived)*."""
        return self.slope_hz_per_s * self.n_samples / self.sample_rate_hz

    @property
    def ramp_bandwidth_hz(self) -> float:
        """Bandwidth of the whole ramp, S t_end *(derived)*; not what the samples see."""
        return self.slope_hz_per_s * self.ramp_end_s

    @property
    def center_frequency_hz(self) -> float:
        """Frequency in the middle of the sampled part of the ramp *(derived)*."""
        middle_s = self.adc_start_s + 0.5 * self.n_samples / self.sample_rate_hz
        return self.start_frequency_hz + self.slope_hz_per_s * middle_s

    @property
    def wavelength_m(self) -> float:
        """Wavelength at `center_frequency_hz`, metres *(derived)*."""
        return C_MPS / self.center_frequency_hz

    @property
    def range_resolution_m(self) -> float:
        """c / 2B with the sampled bandwidth, metres *(derived)*."""
        return C_MPS / (2 * self.sampled_bandwidth_hz)

    @property
    def range_per_hz_m(self) -> float:
        """Range of a target whose beat frequency is 1 Hz, c / 2S, metres *(derived)*."""
        return C_MPS / (2 * self.slope_hz_per_s)

    @property
    def max_range_m(self) -> float:
        """Unambiguous range: fs c / 2S for complex1x, half of it otherwise *(derived)*."""
        full = self.sample_rate_hz * self.range_per_hz_m
        return full if self.adc_format == "complex1x" else full / 2

    @property
    def max_velocity_mps(self) -> float:
        """Unambiguous radial speed, lambda / 4 T, m/s *(derived)*."""
        return self.wavelength_m / (4 * self.slow_time_interval_s)

    @property
    def velocity_resolution_mps(self) -> float:
        """lambda / 2 N T over one frame's series, m/s *(derived)*."""
        return self.wavelength_m / (2 * self.n_slow * self.slow_time_interval_s)

    # -- bytes ------------------------------------------------------------------------------
    @property
    def n_stored_rx(self) -> int:
        """Antennas in the file: four-lane devices store disabled ones as zeros *(derived)*."""
        return 4 if self.n_lanes == 4 else self.n_rx

    @cached_property
    def words_per_chirp(self) -> int:
        """int16 words of one chirp in the file *(derived)*."""
        return self.n_stored_rx * self.n_samples * (2 if self.is_complex else 1)

    @cached_property
    def block_chirps(self) -> int:
        """Chirps that are stored together, antenna by antenna *(derived)*; 1: one by one.

        What firmware takes for a chirp threshold of 0 is inferred: as many, up to 8, as fill the
        buffer of 32 KB and make up the frame (so in a real AWR1642 capture).
        """
        if self.n_lanes == 4 or self.hsi_header:
            return 1
        fitting = (
            k for k in range(8, 0, -1)
            if self.n_chirps % k == 0 and 2 * k * self.words_per_chirp <= ADC_BUFFER_BYTES
        )  # fmt: skip
        return self.chirps_per_block or next(fitting, 1)

    @property
    def frame_bytes(self) -> int:
        """Bytes of the samples of one frame *(derived)*."""
        return 2 * self.words_per_chirp * self.n_chirps

    @property
    def stored_chirp_bytes(self) -> int:
        """Bytes from one chirp to the next on the lanes and in a file *(derived)*."""
        n_bytes = 2 * self.words_per_chirp
        if not self.hsi_header:
            return n_bytes
        return -(-(n_bytes + HSI_HEADER_BYTES) // self.hsi_alignment_bytes) * (
            self.hsi_alignment_bytes
        )

    @property
    def stored_frame_bytes(self) -> int:
        """Bytes from one frame to the next on the lanes and in a file *(derived)*.

        More than `frame_bytes` where HSI headers or other subframes lie between.
        """
        others = self.subframe.lead_bytes + self.subframe.tail_bytes if self.subframe else 0
        return self.stored_chirp_bytes * self.n_chirps + others

    @property
    def data_rate_bps(self) -> float:
        """Mean payload rate, bits per second *(derived)*."""
        return 8 * self.stored_frame_bytes / self.frame_period_s

    @property
    def fingerprint(self) -> str:
        """Short hash of every field; equal configurations have equal ones."""
        return fingerprint(self)


RAW_FORMAT_KEYS = frozenset({
    "n_frames", "adc_bits", "iq_order", "n_lanes", "lvds_lane_rate_bps", "hsi_header",
    "hsi_alignment_bytes", "chirps_per_block", "subframe",
})  # fmt: skip
"""Keys of a `RadarConfig` that say how samples are stored, not what they mean."""

BOARD_KEYS = frozenset({"rx_calibration", "range_bias_m"})
"""Keys of a `RadarConfig` that tell one board from the next of its kind."""


def waveform_differences(first: RadarConfig, second: RadarConfig) -> list[str]:
    """Keys, with both values, in which two radars transmit or sample differently."""
    found = differing_keys(first, second)
    passed_over = RAW_FORMAT_KEYS | BOARD_KEYS
    return [entry for entry in found if entry.partition(":")[0] not in passed_over]
