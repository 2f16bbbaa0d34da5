"""The radar's command line, against firmware played on a pseudo-terminal."""

import logging
import os
from pathlib import Path

import pytest
from emulation import RADAR, Listener, own_link, payload_of, record

from capture.dca1000.commands import Dca1000
from capture.dca1000.radar_cli import RadarCli, RadarVersion
from capture.emulator.board import Emulator
from capture.emulator.fake_radar import FakeRadar
from capture.errors import LinkError

CONFIGURATION = """% made by hand
sensorStop
flushCfg

# another kind of comment
dfeDataOutputMode 1
  channelCfg 15 1 0
sensorStart
"""


@pytest.fixture
def cfg(tmp_path: Path) -> Path:
    path = tmp_path / "walk.cfg"
    path.write_text(CONFIGURATION)
    return path


def test_all_lines_but_the_start_are_sent(cfg: Path) -> None:
    with FakeRadar() as radar, RadarCli(radar.port) as cli:
        assert cli.configure(cfg) == 4
        assert radar.lines == ["sensorStop", "flushCfg", "dfeDataOutputMode 1", "channelCfg 15 1 0"]
        assert not radar.is_running.is_set()
        cli.start()
        assert radar.is_running.is_set()
        assert cli.is_running
        cli.stop()
        assert not radar.is_running.is_set()
        assert not cli.is_running


@pytest.mark.parametrize(
    "reply", ["Error -1\n", "Error: rx mask\n", "'channelCfg' is not recognized as a CLI command\n"]
)
def test_a_refused_line_is_named(cfg: Path, reply: str) -> None:
    with FakeRadar({"channelCfg": reply}) as radar, RadarCli(radar.port) as cli:
        with pytest.raises(LinkError, match="refused 'channelCfg 15 1 0'") as failure:
            cli.configure(cfg)
        assert failure.value.parts()["where"] == f"{cfg}:7"
        assert failure.value.parts()["got"] == reply.strip()


def test_a_skipped_line_is_a_warning(
    cfg: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("capture"), "propagate", True)
    with (
        caplog.at_level(logging.WARNING, "capture"),
        FakeRadar({"flushCfg": "Skipped\n"}) as radar,
        RadarCli(radar.port) as cli,
    ):
        assert cli.configure(cfg) == 4
    # that the sensor is stopped already, as line 2 hears, is how every .cfg begins
    # (a set: earlier tests of the command line may have left a second handler)
    assert {told.message for told in caplog.records} == {f"{cfg}:3: 'flushCfg': Skipped"}


def test_a_prompt_alone_is_no_confirmation(cfg: Path) -> None:
    with (
        FakeRadar({"flushCfg": "\n"}) as radar,
        RadarCli(radar.port) as cli,
        pytest.raises(LinkError, match="did not confirm 'flushCfg'"),
    ):
        cli.configure(cfg)


def test_silence_is_explained(cfg: Path) -> None:
    with (
        FakeRadar({"sensorStop": ""}) as radar,
        RadarCli(radar.port, timeout_s=0.2) as cli,
        pytest.raises(LinkError, match="does not reply to 'sensorStop'.*user port"),
    ):
        cli.configure(cfg)


def test_a_reply_without_a_prompt_is_shown(cfg: Path) -> None:
    class Chatterbox(FakeRadar):
        def _answer(self, line: str) -> None:
            os.write(self._radar, b"\x02\x01\x04\x03 not a prompt")

    with (
        Chatterbox() as radar,
        RadarCli(radar.port, timeout_s=0.2) as cli,
        pytest.raises(LinkError, match="got '.*not a prompt'"),
    ):
        cli.configure(cfg)


def test_version() -> None:
    with FakeRadar() as radar, RadarCli(radar.port) as cli:
        version = cli.version()
    assert (version.platform, version.sdk) == ("xWR18xx", "03.05.00.04")
    assert version.device == "IWR18XX emulated by radarid"
    assert version.fields["RF F/W Version"] == "02.00.00.05"
    assert str(version) == "xWR18xx, mmWave SDK 03.05.00.04, IWR18XX emulated by radarid"
    assert str(RadarVersion.parse("mmWave SDK version: 01.01.00.02")) == "mmWave SDK 01.01.00.02"


def test_a_missing_port_and_a_missing_file() -> None:
    with pytest.raises(LinkError, match="cannot be opened.*plug the radar in"):
        RadarCli("/dev/no_such_radar")
    with (
        FakeRadar() as radar,
        RadarCli(radar.port) as cli,
        pytest.raises(LinkError, match="cannot be read"),
    ):
        cli.configure("no_such.cfg")


class Idle:
    is_recording = False


def test_the_sensor_does_not_start_before_the_recording() -> None:
    with FakeRadar() as radar, RadarCli(radar.port) as cli:
        with pytest.raises(LinkError, match="before the recording.*misaligned"):
            cli.start(Idle())
        assert radar.lines == []


def test_samples_flow_after_record_start_and_sensor_start_only(tmp_path: Path, cfg: Path) -> None:
    payload = record(tmp_path / "walk.bin", 10 * 8000)
    link = own_link()
    with (
        Listener(link) as heard,
        Emulator(tmp_path / "walk.bin", RADAR, link, serial=True, flush_s=0) as emulator,
        Dca1000(link) as board,
    ):
        assert emulator.radar is not None
        with RadarCli(emulator.radar.port) as cli:
            board.configure(RADAR)
            board.start(cli)
            cli.configure(cfg)
            assert heard.await_packets(1, patience_s=0.2) == []
            cli.start(board)
            assert emulator.wait(10)
            assert payload_of(heard.await_packets(55)) == payload
            with pytest.raises(LinkError, match="radar was started before"):
                board.start(cli)
            cli.stop()
            board.stop()
