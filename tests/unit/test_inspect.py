"""What is this file: every layout with and without a configuration, health, foreign files."""

from __future__ import annotations

import dataclasses
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from capture.config import Chirp, RadarConfig
from capture.file.framing import stored_words
from capture.formats.load import load_radar_config
from capture.inspect.inspection import Inspection, inspect_recording
from capture.layouts import LAYOUTS, default_layout, encode
from capture.simulate.scenario import ScenarioParams, plan
from radarid.cli import app
from radarid.config import find
from tests.naive.echoes import point_targets

SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "radar"
needs_data = pytest.mark.skipif(not SHARED.is_dir(), reason="needs the shared data folder")
RADAR = RadarConfig(n_samples=128, n_loops=32)
KEYS = {
    "layout", "framing", "n_frames", "frame_bytes", "missing_bytes", "trailing_bytes", "evidence",
    "hypotheses", "saturation", "dc", "dead_rx", "test_pattern", "refused", "files",
}  # fmt: skip


def radar_for(layout: str, rx_mask: int) -> RadarConfig:
    order = LAYOUTS[layout]
    return dataclasses.replace(
        RADAR,
        rx_mask=rx_mask,
        n_lanes=order.n_lanes,
        adc_format="complex1x" if order.components else "real",
        iq_order=order.components or "IQ",
    )


def saved(path: Path, words: np.ndarray) -> Path:
    words.astype("<i2").tofile(path)
    return path


def packets(payload: bytes, lost: tuple[int, ...] = ()) -> bytes:
    """Records with 14-byte headers, those in `lost` left out."""
    records = b""
    for number, start in enumerate(range(0, len(payload), 1456)):
        part = payload[start : start + 1456]
        header = (number + 1).to_bytes(4, "little") + len(part).to_bytes(4, "little")
        if number not in lost:
            records += header + start.to_bytes(6, "little") + part
    return records


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_recognised_without_a_configuration(layout: str, tmp_path: Path) -> None:
    right = 0
    masks = (0b1, 0b11, 0b101, 0b111, 0b1110, 0b1111)
    for number, rx_mask in enumerate(masks):
        config = radar_for(layout, rx_mask)
        path = saved(tmp_path / "a.bin", point_targets(config, 4, number, layout=layout))
        found = inspect_recording(path)
        # Refusing is allowed, a wrong name is not.
        assert found.layout in {layout, None}, (rx_mask, found.hypotheses)
        assert (found.layout is None) == (found.refused is not None)
        right += found.layout == layout
        # 4 frames of 32 chirps; what repeats is one chirp, and frames pause for 29 ms.
        if found.layout and found.frame_bytes:
            assert found.repetition_bytes == 2 * config.words_per_chirp
            assert (found.n_frames, found.frame_bytes) == (4, config.frame_bytes)
    assert right >= len(masks) - 1


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("rx_mask", range(1, 16, 2))
def test_every_layout_is_recognised_with_a_configuration(
    layout: str, rx_mask: int, tmp_path: Path
) -> None:
    config = radar_for(layout, rx_mask)
    path = saved(tmp_path / "a.bin", point_targets(config, 3, rx_mask, layout=layout))
    found = inspect_recording(path, config)
    if layout == default_layout(config):
        assert (found.refused, found.layout, found.n_frames) == (None, layout, 3)
        assert (found.missing_bytes, found.trailing_bytes) == (0, 0)
    else:  # orders that recorders make, against what the hardware would have written
        assert found.refused is not None
        assert f"got {layout}" in found.refused
        assert "pass the layout" in found.refused


def test_frames_are_found_by_their_pauses(tmp_path: Path) -> None:
    # 5 frames of 40 chirps of 4 x 128 samples of 4 B.
    config = dataclasses.replace(RADAR, n_loops=40)
    words = point_targets(config, 5, 1, snr_db=20)
    found = inspect_recording(saved(tmp_path / "a.bin", words.ravel()[:-100]))
    assert (found.frame_bytes, found.n_frames) == (40 * 4 * 128 * 4, 4)
    assert found.trailing_bytes == 40 * 4 * 128 * 4 - 200
    assert found.repetition_bytes == 4 * 128 * 4


@pytest.mark.parametrize("seed", range(5))
def test_noise_alone_is_not_guessed_at(seed: int, tmp_path: Path) -> None:
    noise = np.random.default_rng(seed).normal(0, 100, 100_000)
    found = inspect_recording(saved(tmp_path / "a.bin", np.rint(noise)))
    assert found.layout is None
    assert "readings fit" in str(found.refused)
    assert "--radar" in str(found.refused)


def test_a_far_echo_leaves_the_order_of_i_and_q_open(tmp_path: Path) -> None:
    # A tone at 0.45 of the sampling rate and its mirror at 0.55 imply nearly the same range.
    n = np.arange(128)
    tone = np.exp(2j * np.pi * (0.45 * n + np.random.default_rng(0).random((64, 4, 1))))
    noise = np.random.default_rng(1).normal(0, 10, (2, 64, 4, 128))
    words = encode(300 * tone + noise[0] + 1j * noise[1], "IIQQ", RADAR)
    found = inspect_recording(saved(tmp_path / "a.bin", words))
    assert found.layout is None
    assert "IIQQ and QQII" in str(found.refused)
    assert "iq_order" in str(found.refused)
    assert inspect_recording(tmp_path / "a.bin", RADAR).refused is None


@needs_data
def test_real_captures() -> None:
    seated = inspect_recording(SHARED / "iwr6843_seated" / "adc_data.bin")
    # 1 280 000 B = 400 frames x 2 chirps x 4 RX x 100 samples x 4 B, found without being told.
    assert (seated.layout, seated.refused) == ("IIQQ", None)
    assert (seated.n_frames, seated.frame_bytes, seated.repetition_bytes) == (400, 3200, 1600)
    frame = inspect_recording(SHARED / "awr1642_frame" / "adc_data.bin")
    assert (frame.layout, frame.refused) == ("IIQQ", None)
    tsw = inspect_recording(SHARED / "awr1243_tsw1400" / "adc_data.bin")
    assert tsw.layout is None
    assert "TSW1400" in str(tsw.refused)


@needs_data
def test_chirps_in_blocks_are_named() -> None:
    folder = SHARED / "awr1642_frame"
    config = load_radar_config(folder / "awr1642.cfg")
    right = inspect_recording(folder / "adc_data.bin", config)
    assert (right.layout, right.n_frames, right.refused) == ("IIQQ", 1, None)
    assert not right.warnings
    one_by_one = dataclasses.replace(config, chirps_per_block=1)
    found = inspect_recording(folder / "adc_data.bin", one_by_one)
    # The ADC buffer of 32 KiB holds 8 chirps of 4 RX x 256 samples x 4 B, antenna by antenna.
    assert "blocks of 8, antenna by antenna" in found.warnings[0]
    # Rows of 256 samples, by plain numpy: 0, 2, 4, 6 are antenna 0 under TX 0, row 8 antenna 1.
    words = np.fromfile(folder / "adc_data.bin", np.int16).reshape(-1, 2, 2).astype(float)
    rows = (words[:, 0] + 1j * words[:, 1]).reshape(128, 256)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    alike = np.abs(rows.conj() @ rows.T)
    assert alike[0, [2, 4, 6, 32]].min() > 0.99
    assert alike[0, [1, 8]].max() < 0.85


def test_a_simulated_walk_shows_its_layout_and_frames(tmp_path: Path) -> None:
    radar = load_radar_config(find("radar", "demo"))
    params = ScenarioParams(radar=radar, n_subjects=1, n_walks=1, n_sessions=1, seconds=1.5)
    path, *_ = plan(params)[0].simulate().save(tmp_path)
    found = inspect_recording(path)
    # The demonstration's waveform: 138 chirps of 64 samples of one antenna, 4 B each.
    assert (found.layout, found.refused) == ("IIQQ", None)
    assert (found.repetition_bytes, found.frame_bytes) == (256, 138 * 256)
    assert inspect_recording(path, radar).warnings == []


def test_packet_headers_are_seen_through(tmp_path: Path) -> None:
    words = point_targets(RADAR, 3, 2)
    path = tmp_path / "adc_data_Raw_0.bin"
    path.write_bytes(packets(words.tobytes(), lost=(5, 6, 40)))
    found = inspect_recording(path, RADAR)
    assert (found.framing, found.layout, found.n_frames) == ("packet-headers", "IIQQ", 3)
    assert found.missing_bytes == 3 * 1456
    assert inspect_recording(path).layout == "IIQQ"


def test_hsi_headers_are_seen_through(tmp_path: Path) -> None:
    config = dataclasses.replace(RADAR, hsi_header=True)
    path = saved(tmp_path / "a.bin", stored_words(point_targets(RADAR, 3, 2), config))
    for found in (inspect_recording(path), inspect_recording(path, config)):
        assert (found.framing, found.layout, found.refused) == ("hsi", "IIQQ", None)
        assert (found.n_frames, found.frame_bytes) == (3, config.stored_frame_bytes)
    assert "hsi_header" in str(inspect_recording(path, RADAR).refused)


def test_split_parts_are_one_stream(tmp_path: Path) -> None:
    raw = point_targets(RADAR, 4, 6).tobytes()
    parts = [tmp_path / f"adc_data_Raw_{k}.bin" for k in (1, 0)]
    parts[1].write_bytes(raw[:100_002])
    parts[0].write_bytes(raw[100_002:])
    found = inspect_recording(parts, RADAR)
    assert (found.n_frames, found.trailing_bytes, found.refused) == (4, 0, None)
    assert found.files == (parts[1], parts[0])
    assert "without the parts before it" in str(inspect_recording(parts[0], RADAR).refused)
    assert "cannot be read" in str(inspect_recording(tmp_path / "none.bin").refused)


def test_zero_filled_packets_are_missing(tmp_path: Path) -> None:
    words = point_targets(RADAR, 4, 7).ravel()
    words[728 * 10 : 728 * 13] = 0
    words[728 * 50 : 728 * 51] = 0
    words[728 * 60 : 728 * 60 + 300] = 0  # too short for a packet
    found = inspect_recording(saved(tmp_path / "a.bin", words), RADAR)
    # A word beside a hole is zero by chance once in a thousand.
    assert 4 * 1456 <= found.missing_bytes <= 4 * 1456 + 8


def test_health_is_told(tmp_path: Path) -> None:
    config = dataclasses.replace(RADAR, rx_mask=0b1111)
    samples_words = point_targets(config, 3, 8).reshape(96, 4, 64, 4).copy()
    samples_words[:, 2] = 0  # antenna 2 of 4 is silent, all its groups
    samples_words[:, 0, :, :2] += 40  # I of antenna 0
    samples_words[:, 1, ::8, :] = 32767  # one group in eight of antenna 1
    found = inspect_recording(saved(tmp_path / "a.bin", samples_words), config)
    assert found.dead_rx == [2]
    assert found.missing_bytes == 0
    assert found.dc[0][0] == pytest.approx(40, abs=25)
    assert found.saturation == pytest.approx(1 / 4 / 8, rel=1e-3)
    assert any("full scale" in text for text in found.warnings)


@pytest.mark.parametrize(("bits", "name"), [(12, 12), (14, 14), (16, 16)])
def test_unextended_words_are_recognised(bits: int, name: int, tmp_path: Path) -> None:
    config = dataclasses.replace(RADAR, adc_bits=bits)
    found = inspect_recording(saved(tmp_path / "a.bin", point_targets(config, 3, 9)))
    assert (found.adc_bits, found.layout) == (name, "IIQQ")
    # Seven tones of at most 300 counts and noise a fifth as strong stay under 2^11.
    assert 8 <= found.bits_used <= 12


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_lvds_test_pattern_is_named(layout: str, tmp_path: Path) -> None:
    config = radar_for(layout, 0b1111)
    n = np.arange(config.n_chirps * config.words_per_chirp // 8, dtype=np.int64)
    words = np.zeros((len(n), 8), np.int64)
    for place in range(8):  # a counter of its own step in every lane
        words[:, place] = 100 * place + (place % 4 + 1) * 3 * n
    path = saved(tmp_path / "a.bin", words.astype(np.uint16).view(np.int16))
    found = inspect_recording(path)
    assert "counters" in str(found.test_pattern)
    assert "test pattern" in str(found.refused)


def foreign() -> dict[str, bytes]:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a", bytes(5000))
    return {
        "text": b"frameCfg 0 1 16 0 100 1 0\n" * 200,
        "a ZIP archive": archive.getvalue(),
        "a PNG picture": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20,
        "a program": b"\x7fELF" + bytes(range(256)) * 20,
        "the same word": b"\x07\x00" * 5000,
        "uniformly random": np.random.default_rng(0).bytes(1 << 17),
        "empty": b"",
    }


@pytest.mark.parametrize(("name", "content"), foreign().items())
def test_foreign_files_are_named(name: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "adc_data.bin"
    path.write_bytes(content)
    for config in (None, RADAR):
        found = inspect_recording(path, config)
        assert found.layout is None
        assert name in str(found.refused)


def test_mutated_and_truncated_files_never_crash(tmp_path: Path) -> None:
    config = RadarConfig(
        n_samples=64, n_loops=6, rx_mask=1, chirps=(Chirp(), Chirp(tx_mask=2)), hsi_header=True
    )
    plain = dataclasses.replace(config, hsi_header=False)
    words = point_targets(plain, 3, 4)
    kinds = [words.tobytes(), packets(words.tobytes()), stored_words(words, config).tobytes()]
    rng = np.random.default_rng(0)
    for number in range(240):
        raw = bytearray(kinds[number % 3])
        for _ in range(int(rng.integers(0, 5))):
            start = int(rng.integers(len(raw)))
            raw[start : start + int(rng.integers(1, 40))] = rng.bytes(int(rng.integers(0, 40)))
        del raw[int(rng.integers(len(raw))) if number % 2 else len(raw) :]
        (tmp_path / "a.bin").write_bytes(raw)
        found = inspect_recording(tmp_path / "a.bin", (None, plain, config)[number // 3 % 3])
        assert isinstance(found, Inspection)
        assert json.dumps(found.as_dict(), default=str)


def test_the_command_prints_every_key_and_its_exit_code(tmp_path: Path) -> None:
    good = saved(tmp_path / "good.bin", point_targets(RADAR, 3, 2))
    bad = tmp_path / "bad.bin"
    bad.write_text("not a capture " * 100)
    runner = CliRunner()
    result = runner.invoke(app, ["inspect", str(good), "--json"])
    document = json.loads(result.stdout)
    assert result.exit_code == 0
    assert document.keys() >= KEYS
    assert (document["layout"], document["n_frames"], document["refused"]) == ("IIQQ", 3, None)
    result = runner.invoke(app, ["inspect", str(good), str(bad), "--json"])
    documents = json.loads(result.stdout)
    assert result.exit_code == 2
    assert [item["refused"] is None for item in documents] == [True, False]
    result = runner.invoke(app, ["inspect", str(bad)])
    assert result.exit_code == 2
    assert "text" in result.output
