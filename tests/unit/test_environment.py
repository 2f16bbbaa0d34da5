"""What the doctor sees of this machine, and of the emulator on it."""

from __future__ import annotations

import errno
import json
import os
import socket
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import unit.test_doctor as world
from typer.testing import CliRunner

from capture.camera.reader import write_video
from capture.config import RadarConfig
from capture.dca1000.link import LinkParams
from capture.emulator.board import Emulator
from capture.emulator.fake_radar import FakeRadar
from radarid.cli import app
from radarid.cli.link import link_to
from radarid.live import environment

RADAR = RadarConfig(n_samples=64, rx_mask=1, n_loops=48, frame_period_s=10e-3)
_PID = os.getpid()
LINK = LinkParams(host=f"127.77.{_PID >> 8 & 255}.{_PID & 127}",
                  dca1000=f"127.78.{_PID >> 8 & 255}.{_PID & 127}")


def test_addresses_and_ports() -> None:
    assert environment.bind(LINK.host, 0, 4096) >= 4096
    with pytest.raises(OSError, match=".") as failure:
        environment.bind("192.0.2.1", 0, 4096)  # set aside for documents (RFC 5737)
    assert failure.value.errno == errno.EADDRNOTAVAIL
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((LINK.host, 0))
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=".") as failure:
            environment.bind(LINK.host, port, 4096)
        assert failure.value.errno == errno.EADDRINUSE
        assert f"({_PID})" in (environment.holder(port) or "")
    found = environment.interface("127.0.0.1")
    assert found is not None
    assert found.is_up
    assert environment.interface("192.0.2.1") is None


def test_the_board_and_its_packets(tmp_path: Path) -> None:
    path = tmp_path / "walk.bin"
    np.zeros(100 * 48 * 64 * 4, np.uint8).tofile(path)
    with Emulator(path, RADAR, LINK) as board, \
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        assert environment.fpga_version(LINK) == "2.8 (record)"
        assert board.runs == []
        stranger.bind(("127.0.0.1", 0))
        silence = environment.listen(LINK, None, 0.2)
        assert (silence.packets, board.runs) == ({}, [])
        heard = environment.listen(LINK, RADAR, 0.5)
        assert len(board.runs) == 1
        assert set(heard.packets) == {LINK.dca1000}
        assert 0 < heard.packets[LINK.dca1000] <= board.sent.n_sent
        assert heard.n_bytes[LINK.dca1000] == 1466 * heard.packets[LINK.dca1000]
        no_lanes = environment.listen(LINK, replace(RADAR, n_lanes=4), 0.2)
        assert no_lanes.packets == {}
        assert "LVDS" in " ".join(no_lanes.statuses)


def test_the_radar_behind_its_serial_port() -> None:
    with FakeRadar() as radar:
        told = environment.firmware(radar.port)
    assert told == "xWR18xx, SDK 03.05.00.04, IWR18XX emulated by radarid"


def test_folders(tmp_path: Path) -> None:
    assert environment.can_write(tmp_path / "new" / "folder")
    (tmp_path / "file").touch()
    assert not environment.can_write(tmp_path / "file")
    assert environment.write_rate(tmp_path) > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "new"]


def test_numba_is_asked_where_it_keeps_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/some/where")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    first, beside, own = environment.cache_folders()
    assert (first, own) == (Path("/some/where"), Path("/cache/numba"))
    assert beside.parent == Path(environment.__file__).parents[1] / "dsp"


def test_packages() -> None:
    needed = environment.requirements()
    assert {"numpy", "openradar", "torch"} <= set(needed)
    assert not {"pytest", "xwr"} & set(needed)
    assert environment.version("numpy") == np.__version__
    assert environment.version("no-such-package-here") is None


def test_a_camera(tmp_path: Path) -> None:
    write_video(tmp_path / "c.avi", [np.zeros((48, 64, 3), np.uint8)] * 2, 10.0)
    assert environment.picture_size(str(tmp_path / "c.avi")) == (64, 48)


@pytest.mark.parametrize(("options", "exit_code"), [
    ([], 0), (["--camera", "0"], 0), (["--host", "127.0.0.1"], 1),
])
def test_the_command(
    options: list[str], exit_code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = replace(world.HEALTHY, fpga_version=world.raising(world.LinkError("no answer")))
    monkeypatch.setattr(environment, "this_machine", lambda: silent)
    done = CliRunner().invoke(app, ["doctor", "--json", *options])
    assert done.exit_code == exit_code, done.output
    found = {line["check"]: line for line in json.loads(done.stdout)}
    assert found["DCA1000"]["outcome"] == ("fail" if exit_code else "warning")
    assert found["camera"]["outcome"] == ("ok" if "--camera" in options else "skipped")
    text = CliRunner().invoke(app, ["doctor", *options])
    assert text.exit_code == exit_code
    assert "-> check 5 V power" in text.stdout


def test_addresses_by_default() -> None:
    assert link_to(None, None) == LinkParams()
    assert link_to("127.0.0.1", None, data_port=5000) == LinkParams(
        host="127.0.0.1", dca1000="127.0.0.2", data_port=5000)
    assert link_to("10.0.0.1", None).dca1000 == "192.168.33.180"
    assert link_to(None, "10.0.0.9") == LinkParams(dca1000="10.0.0.9")
