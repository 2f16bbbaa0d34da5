"""Live frames over loopback: equal to the file's, bounded, and clear about silence."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from loopback import BOARD, free_port, packets_of, send, sender

from capture.config import RadarConfig
from capture.dca1000.link import LinkParams
from capture.dca1000.packets import PAYLOAD_BYTES, compose
from capture.errors import ConfigError, LayoutError, LinkError
from capture.file.recording import open_recording
from capture.types import AdcFrame
from capture.udp.live import LiveSource

HOST = "127.0.0.12"
RADAR = RadarConfig(n_samples=64, n_loops=16, frame_period_s=5e-3)  # 16384 bytes, 11.25 packets
N_FRAMES = 30


def link() -> LinkParams:
    return LinkParams(host=HOST, dca1000=BOARD, data_port=free_port(HOST))


def recording(path: Path, n_frames: int = N_FRAMES) -> Path:
    """Tones in noise, so that the layout check of the file reader has something to see."""
    rng = np.random.default_rng(7)
    beat = 2000 * np.exp(0.5j * np.arange(64))
    words = np.empty((n_frames, 16, 4, 32, 2, 2), np.float64)
    words[..., 0, :] = beat.real.reshape(32, 2)
    words[..., 1, :] = beat.imag.reshape(32, 2)
    words += rng.normal(0, 20, words.shape)
    path.write_bytes(np.rint(words).astype("<i2").tobytes())
    return path


def assert_same_frame(live: AdcFrame, filed: AdcFrame) -> None:
    assert (live.index, live.time_s, live.layout) == (filed.index, filed.time_s, filed.layout)
    assert live.config is not None
    np.testing.assert_array_equal(live.valid, filed.valid)
    np.testing.assert_array_equal(live.words, filed.words)
    assert live.words.dtype == filed.words.dtype


def collect(source: LiveSource, to: LinkParams, datagrams: Iterable[bytes]) -> list[AdcFrame]:
    """Send, and return the frames of the stream that ends with the idle timeout."""
    with source, sender() as board:
        thread = threading.Thread(target=send, args=(board, (HOST, to.data_port), datagrams))
        thread.start()
        frames = list(source)
        thread.join()
    return frames


@pytest.mark.parametrize("plain", [False, True], ids=["recvmmsg", "plain"])
def test_a_clean_stream_gives_the_frames_of_the_file(tmp_path: Path, plain: bool) -> None:
    path = recording(tmp_path / "walk.bin")
    filed = list(open_recording(path, RADAR))
    to = link()
    source = LiveSource(RADAR, to, idle_timeout_s=0.5, plain=plain)
    frames = collect(source, to, packets_of(path.read_bytes()))
    assert len(frames) == len(filed) == N_FRAMES
    for live, one in zip(frames, filed, strict=True):
        assert_same_frame(live, one)
    stats = source.stats()
    n_packets = -(-N_FRAMES * RADAR.frame_bytes // PAYLOAD_BYTES)
    assert stats["n_received"] == stats["n_used"] == n_packets
    assert stats["n_frames"] == N_FRAMES
    for counter in ("n_lost", "n_foreign", "n_dropped_frames", "n_queued_frames", "n_incomplete"):
        assert stats[counter] == 0, counter
    assert source.info.n_frames is None


def test_lost_packets_cost_exactly_the_chirps_they_touch(tmp_path: Path) -> None:
    path = recording(tmp_path / "walk.bin")
    filed = list(open_recording(path, RADAR))
    datagrams = packets_of(path.read_bytes())
    lost = [25, 26, 140]
    to = link()
    kept = [d for k, d in enumerate(datagrams) if k not in lost]
    frames = collect(LiveSource(RADAR, to, idle_timeout_s=0.5), to, kept)
    chirp_bytes = 2 * RADAR.words_per_chirp
    valid = np.ones(N_FRAMES * RADAR.n_chirps, bool)
    for k in lost:  # a chirp is 1024 bytes
        valid[
            k * PAYLOAD_BYTES // chirp_bytes : ((k + 1) * PAYLOAD_BYTES - 1) // chirp_bytes + 1
        ] = 0
    assert [frame.index for frame in frames] == list(range(N_FRAMES))
    np.testing.assert_array_equal(np.concatenate([frame.valid for frame in frames]), valid)
    for live, one in zip(frames, filed, strict=True):
        np.testing.assert_array_equal(live.words[live.valid], one.words[live.valid])


def test_the_part_of_a_last_frame_is_handed_out_at_the_stop(tmp_path: Path) -> None:
    stream = recording(tmp_path / "walk.bin").read_bytes()[: 2 * RADAR.frame_bytes + 3 * 1456]
    to = link()
    frames = collect(LiveSource(RADAR, to, idle_timeout_s=0.3), to, packets_of(stream))
    assert [frame.index for frame in frames] == [0, 1, 2]
    assert frames[2].valid.tolist() == [True] * 4 + [False] * 12  # 4368 of 16384 bytes


def test_a_slow_consumer_loses_the_oldest_frames_and_sees_how_many(tmp_path: Path) -> None:
    path = recording(tmp_path / "walk.bin")
    to = link()
    source = LiveSource(RADAR, to, queue_frames=4, idle_timeout_s=0.3)
    with source, sender() as board:
        send(board, (HOST, to.data_port), packets_of(path.read_bytes()))
        while source.stats()["n_frames"] < N_FRAMES:
            time.sleep(0.005)
        assert source.stats()["n_queued_frames"] == 4
        indices = [frame.index for frame in source]
    assert indices == [26, 27, 28, 29]
    assert source.stats()["n_dropped_frames"] == 26


def test_frame_clock_of_the_arrivals() -> None:
    to = link()
    config = RadarConfig(n_samples=16, n_loops=4, frame_period_s=0.01, rx_mask=1)  # 256 bytes
    payload = bytes(config.frame_bytes)
    source = LiveSource(config, to, idle_timeout_s=0.3)
    with source, sender() as board:
        begin_ns, begin_s = time.time_ns(), time.monotonic()
        for k in range(40):
            time.sleep(max(0.0, begin_s + k * 0.01 - time.monotonic()))
            board.sendto(compose(k + 1, k * len(payload), payload), (HOST, to.data_port))
        raw = list(source.raw_frames())
    assert [frame.index for frame in raw] == list(range(40))
    times = np.array([frame.time_ns for frame in raw])
    assert (times >= begin_ns + 10_000_000 * np.arange(40)).all()
    fit = source.clock.fit()
    assert fit is not None
    assert fit.n_frames <= 40
    assert abs(fit.start_ns - begin_ns) < 1e9


def test_the_clock_forgets_what_was_before_a_restart() -> None:
    to = link()
    config = RadarConfig(n_samples=16, n_loops=4, frame_period_s=0.01, rx_mask=1)
    payloads = [bytes([k]) * 256 for k in range(1, 101)]
    stream = [compose(k + 1, 256 * k, payload) for k, payload in enumerate(payloads[:60])]
    again = [compose(k + 1, 256 * k, payload) for k, payload in enumerate(payloads[60:])]
    source = LiveSource(config, to, idle_timeout_s=0.4)
    with source, sender() as board:
        send(board, (HOST, to.data_port), stream)
        frames = source.raw_frames()
        before = [next(frames) for _ in range(59)]
        send(board, (HOST, to.data_port), again)
        after = [frame for frame in frames if frame.segment == 1]
        fit = source.clock.fit()
    assert {frame.segment for frame in before} == {0}
    assert len(after) == 40
    assert [int(frame.data[0]) for frame in after] == list(range(61, 101))
    assert source.stats()["n_restarts"] == 1
    assert fit is not None
    assert fit.n_frames <= 40


def test_foreign_packets_never_reach_a_frame(tmp_path: Path) -> None:
    path = recording(tmp_path / "walk.bin", 4)
    filed = list(open_recording(path, RADAR))
    datagrams = packets_of(path.read_bytes())
    to = link()
    source = LiveSource(RADAR, to, idle_timeout_s=0.3)
    with source, sender() as board, sender(BOARD) as second, sender("127.0.0.66") as other:
        address = (HOST, to.data_port)
        send(other, address, [compose(k + 1, 1456 * k, b"\x55" * 1456) for k in range(20)])
        send(board, address, datagrams[:10])
        send(second, address, datagrams[10:])  # the board may send from another port
        frames = list(source)
    assert source.stats()["n_foreign"] == 20
    for live, one in zip(frames, filed, strict=True):
        assert_same_frame(live, one)


def test_silence_from_the_start_is_an_error_with_causes() -> None:
    to = link()
    source = LiveSource(RADAR, to, idle_timeout_s=0.2)
    with source, sender("127.0.0.66") as other:
        send(other, (HOST, to.data_port), [b"hello"] * 3)
        with pytest.raises(LinkError) as silent:
            next(iter(source))
    text = str(silent.value)
    assert "no packet for 0." in text
    assert "3 datagrams of other senders" in text
    for cause in ("LVDS", "sensorStart", "firewall", "cable", "radarid doctor", BOARD):
        assert cause in text


def test_a_long_silence_is_warned_of_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("capture.udp.live._WARN_SILENCE_S", 0.2)
    with LiveSource(RADAR, link(), idle_timeout_s=None) as source:
        threading.Timer(0.8, source.stop).start()
        with caplog.at_level(logging.WARNING, "capture.udp.live"):
            assert list(source) == []
    assert [r.message for r in caplog.records].count(f"no packet from {BOARD} for 0 s") == 1


def test_stop_from_another_thread_ends_the_iteration_with_what_came(tmp_path: Path) -> None:
    path = recording(tmp_path / "walk.bin", 3)
    to = link()
    with LiveSource(RADAR, to, idle_timeout_s=None) as source, sender() as board:
        send(board, (HOST, to.data_port), packets_of(path.read_bytes())[:30])  # not the tail
        threading.Timer(0.3, source.stop).start()
        frames = list(source)
        assert list(source) == []
    assert [frame.index for frame in frames] == [0, 1, 2]
    assert not frames[2].is_complete


def test_leaving_the_block_early_ends_every_thread(tmp_path: Path) -> None:
    path = recording(tmp_path / "walk.bin", 8)
    to = link()
    with LiveSource(RADAR, to) as source, sender() as board:
        send(board, (HOST, to.data_port), packets_of(path.read_bytes()))
        assert next(iter(source)).index == 0
    names = {thread.name for thread in threading.enumerate()}
    assert not any(name.startswith("radarid-re") for name in names)
    with LiveSource(RADAR, to):  # and the port is free
        pass


def test_an_error_of_the_reassembly_surfaces(monkeypatch: pytest.MonkeyPatch) -> None:
    to = link()
    source = LiveSource(RADAR, to)

    def fail(batch: object) -> None:
        raise LinkError("no memory left")

    monkeypatch.setattr(source._reassembler, "push", fail)
    with source, sender() as board:
        board.sendto(b"x" * 20, (HOST, to.data_port))
        with pytest.raises(LinkError, match="no memory left"):
            next(iter(source))


def test_misuse_is_refused() -> None:
    with pytest.raises(LinkError, match="not open"):
        next(iter(LiveSource(RADAR, link())))
    with pytest.raises(ConfigError, match="queue_frames"):
        LiveSource(RADAR, link(), queue_frames=0)
    with pytest.raises(LayoutError):
        LiveSource(RADAR, link(), layout="real")


def test_a_capped_buffer_is_warned_of(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    capped = (212_992, "raise net.core.x")
    monkeypatch.setattr("capture.udp.receiver.ask_for_buffer", lambda *_: capped)
    with caplog.at_level(logging.WARNING), LiveSource(RADAR, link()) as source:
        assert source.stats()["buffer_bytes"] == 212_992
    assert "raise net.core.x" in caplog.text
