"""Real captures. Expected values come from plain numpy on the bytes and from hand arithmetic."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from naive import packet_file as naive

from capture.config import RadarConfig
from capture.errors import LayoutError
from capture.file.framing import stored_words
from capture.file.recording import open_recording
from capture.formats.load import find_config, load_radar_config
from capture.layouts import decode

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data" / "radar"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="needs the shared data folder")
SEATED = DATA / "iwr6843_seated" / "adc_data.bin"
AWR1642 = DATA / "awr1642_frame" / "adc_data.bin"
TSW1400 = DATA / "awr1243_tsw1400" / "adc_data.bin"


@pytest.fixture(scope="module")
def seated() -> RadarConfig:
    return load_radar_config(ROOT / "configs" / "radar" / "iwr6843_seated.toml")


def sidedness(path: Path, config: RadarConfig, layout: str) -> float:
    """Energy of the lower over that of the upper half of the range spectrum, Hann, no mean."""
    words = np.fromfile(path, np.int16).reshape(-1, config.words_per_chirp)
    samples = decode(words, layout, config)
    samples = samples - samples.mean(axis=-1, keepdims=True)
    n = config.n_samples
    power = (np.abs(np.fft.fft(samples * np.hanning(n))) ** 2).mean(axis=(0, 1))
    return float(power[1 : n // 2].sum() / power[n // 2 + 1 :].sum())


def test_the_seated_person_is_at_bin_7_and_breathes(seated: RadarConfig) -> None:
    recording = open_recording(SEATED, seated)
    # 1 280 000 B / (2 chirps x 4 RX x 100 samples x 4 B = 3200 B) = 400 frames.
    assert len(recording) == 400
    assert recording.info.trailing_bytes == 0
    assert recording.info.layout == "IIQQ"
    assert recording.info.evidence["layout"] == "IIQQ confirmed"
    samples = np.stack([decode(f.words, f.layout, f.config) for f in recording])
    spectrum = np.fft.fft(samples, axis=-1)
    moving = np.abs(spectrum - spectrum.mean(axis=0)) ** 2
    energy = moving.mean(axis=(0, 1, 2))
    # c / 2B with B = 60 MHz/us x 100 / 4 Msps = 1.5 GHz: 9.993 cm; bin 7 is 0.70 m.
    assert seated.range_resolution_m == pytest.approx(0.09993, abs=1e-5)
    assert np.argmax(energy) == 7
    assert energy[7] > 1000 * np.median(energy)
    phase = np.unwrap(np.angle(spectrum[:, 0, 0, 7]))
    time_s = np.arange(400) * 0.05
    swing = phase - np.polyval(np.polyfit(time_s, phase, 1), time_s)
    rate = np.abs(np.fft.rfft(swing * np.hanning(400)))
    # 20 s give lines every 0.05 Hz; about 15 breaths a minute are line 5.
    assert 4 <= np.argmax(rate[1:]) + 1 <= 6


def test_both_chirps_of_the_seated_capture_come_from_one_transmitter(seated: RadarConfig) -> None:
    # What configs/radar/iwr6843_seated.toml says: a second TX would add its own phase.
    frames = open_recording(SEATED, seated).frames()
    spectrum = np.stack([np.fft.fft(decode(f.words, "IIQQ", seated))[..., 7] for f in frames])
    phase = np.angle(np.mean(spectrum[:, 1] * spectrum[:, 0].conj(), axis=0))
    assert np.all(np.abs(phase) < 0.01)


def test_awr1642_with_its_own_configuration() -> None:
    path = find_config(AWR1642)
    assert path is not None
    assert path.name == "awr1642.cfg"
    config = load_radar_config(path)
    recording = open_recording(AWR1642, config)
    # 131 072 B = 16 loops x 2 TX x 4 RX x 256 samples x 4 B.
    assert (len(recording), recording.info.trailing_bytes) == (1, 0)
    assert recording.info.evidence["layout"] == "IIQQ confirmed"
    # The factors 81 and 15 that the layout was first established with.
    assert sidedness(AWR1642, config, "IIQQ") == pytest.approx(81, rel=0.05)
    assert sidedness(AWR1642, config, "IQIQ") == pytest.approx(15, rel=0.05)


def test_openradar_reads_the_same_samples() -> None:
    loader = pytest.importorskip("mmwave.dataloader")
    # OpenRadar takes chirps one by one; that this file has them in blocks, it does not know.
    config = dataclasses.replace(
        load_radar_config(AWR1642.with_name("awr1642.cfg")), chirps_per_block=1
    )
    frame = next(iter(open_recording(AWR1642, config)))
    theirs = loader.DCA1000.organize(np.fromfile(AWR1642, np.int16), 32, 4, 256)
    np.testing.assert_array_equal(decode(frame.words, frame.layout, config), theirs)


@pytest.mark.parametrize("name", ["seated", "awr1642"])
def test_a_wrong_iq_order_is_refused_on_real_data(name: str, seated: RadarConfig) -> None:
    path = SEATED if name == "seated" else AWR1642
    config = seated if name == "seated" else load_radar_config(AWR1642.with_name("awr1642.cfg"))
    wrong = dataclasses.replace(config, iq_order="QI")
    with pytest.raises(LayoutError, match='got IIQQ.*expected QQII; remedy set iq_order = "IQ"'):
        open_recording(path, wrong)


def mispaired(path: Path, target: Path) -> Path:
    """The same capture as TI's command-line recorder re-orders it: I0 Q0 I1 Q1."""
    groups = np.fromfile(path, np.int16).reshape(-1, 4)
    groups[:, [0, 2, 1, 3]].tofile(target)
    return target


@pytest.mark.parametrize("name", ["seated", "awr1642"])
def test_the_recorders_reordering_is_noticed_on_real_data(
    name: str, seated: RadarConfig, tmp_path: Path
) -> None:
    path = SEATED if name == "seated" else AWR1642
    config = seated if name == "seated" else load_radar_config(AWR1642.with_name("awr1642.cfg"))
    copy = mispaired(path, tmp_path / "adc_data_Raw_0.bin")
    with pytest.raises(LayoutError, match="got IQIQ.*expected IIQQ; remedy pass the layout: IQIQ"):
        open_recording(copy, config)
    again = open_recording(copy, config, "IQIQ").frame(0)
    first = open_recording(path, config).frame(0)
    np.testing.assert_array_equal(
        decode(again.words, "IQIQ", config), decode(first.words, "IIQQ", config)
    )


def test_packet_records_around_a_real_capture_change_nothing(
    seated: RadarConfig, tmp_path: Path
) -> None:
    raw = SEATED.read_bytes()
    (tmp_path / "adc_data_Raw_0.bin").write_bytes(b"".join(naive.records_of(raw)))
    recording = open_recording(tmp_path / "adc_data_Raw_0.bin", seated)
    assert len(recording) == 400
    assert recording.info.layout == "IIQQ"
    # 1 280 000 B are 879 packets of 1456 B and one of 176 B.
    assert recording.info.evidence["packets"].startswith("14-byte headers: 880 packets, 0 bytes")
    for frame, plain in zip(recording, open_recording(SEATED, seated), strict=True):
        assert frame.is_complete
        np.testing.assert_array_equal(frame.words, plain.words)


@pytest.mark.parametrize(("order", "layout"), [("two lanes", "IIQQ"), ("in order", "IQIQ")])
def test_hsi_headers_before_real_chirps_tell_the_layout(
    seated: RadarConfig, tmp_path: Path, order: str, layout: str
) -> None:
    headed = dataclasses.replace(seated, hsi_header=True)
    groups = np.fromfile(SEATED, np.int16).reshape(-1, 4)
    words = groups[:, [0, 2, 1, 3]] if layout == "IQIQ" else groups
    frames = words.reshape(400, 2, -1)
    path = tmp_path / "capture_hdr_0ADC_0.bin"
    path.write_bytes(b"".join(stored_words(frame, headed, order).tobytes() for frame in frames))
    recording = open_recording(path, headed)
    assert recording.info.evidence["layout"] == f"{layout} confirmed"
    assert all(frame.is_complete for frame in recording)
    plain = open_recording(SEATED, seated).frame(399)
    np.testing.assert_array_equal(
        decode(recording.frame(399).words, layout, headed), decode(plain.words, "IIQQ", seated)
    )


@pytest.mark.parametrize("n_lanes", [2, 4])
def test_the_tsw1400_capture_is_refused_by_name(n_lanes: int) -> None:
    # 1 048 576 B hold whole frames of this configuration, so the size gives nothing away.
    config = RadarConfig(device="AWR1243", n_lanes=n_lanes, n_loops=128)
    assert TSW1400.stat().st_size % config.frame_bytes == 0
    with pytest.raises(LayoutError, match="TSW1400") as caught:
        open_recording(TSW1400, config)
    assert str(TSW1400) in str(caught.value)
