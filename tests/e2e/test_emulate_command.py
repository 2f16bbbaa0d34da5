"""`radarid emulate` as a program of its own: packets, report, Ctrl-C, explained errors."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from emulation import RADAR, Listener, counters_of, own_link, payload_of, record

from capture.dca1000.commands import Dca1000
from capture.dca1000.link import LinkParams
from capture.errors import LinkError
from capture.schema import write_toml


@pytest.fixture
def walk(tmp_path: Path) -> Path:
    write_toml(tmp_path / "radar.toml", RADAR)
    record(tmp_path / "walk.bin", 50 * 8000)
    return tmp_path / "walk.bin"


def emulate(walk: Path, link: LinkParams, *options: str) -> subprocess.Popen[str]:
    ports = ("--config-port", str(link.config_port), "--data-port", str(link.data_port))
    addresses = ("--host", link.host, "--dca", link.dca1000)
    command = [sys.executable, "-m", "radarid", "emulate", str(walk), *ports, *addresses, *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_faults_are_reported_byte_by_byte(walk: Path) -> None:
    link = own_link()
    faults = ("--loss", "0.1", "--reorder", "0.1", "--duplicate", "0.1", "--seed", "3")
    with Listener(link) as heard:
        process = emulate(walk, link, "--start-now", "--json", *faults)
        out, told = process.communicate(timeout=60)
        report = json.loads(out)
        datagrams = heard.await_packets(report["n_sent"])
    assert process.returncode == 0
    assert "packets to" in told
    assert report["n_sent"] == len(datagrams)
    received = {count for _, count in counters_of(datagrams)}
    assert report["n_lost"] == 275 - len(received) > 0  # 400000 = 274 * 1456 + 1056
    assert report["n_duplicate"] == len(datagrams) - len(received) > 0
    missing = np.ones(400_000, np.bool_)
    for count in received:
        missing[count : count + 1456] = False
    listed = np.zeros(400_000, np.bool_)
    for start, stop in report["lost"]:
        listed[start:stop] = True
    np.testing.assert_array_equal(listed, missing)


def test_a_client_starts_and_stops_it(walk: Path) -> None:
    link = own_link()
    with Listener(link) as heard:
        process = emulate(walk, link)
        with Dca1000(link) as client:
            _await(client, process)
            client.configure(RADAR)
            client.start()
            datagrams = heard.await_packets(275)
            client.stop()  # answered though the recording is over
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert payload_of(datagrams) == walk.read_bytes()
    assert "275" in out


def _await(client: Dca1000, process: subprocess.Popen[str]) -> None:
    end_s = time.monotonic() + 30
    while True:
        try:
            client.alive()
            return
        except LinkError:
            if time.monotonic() > end_s or process.poll() is not None:
                raise


def test_ctrl_c_ends_a_loop_with_a_report(walk: Path) -> None:
    link = own_link()
    with Listener(link) as heard:
        process = emulate(walk, link, "--start-now", "--loop", "--json")
        end_s = time.monotonic() + 30
        while process.poll() is None and time.monotonic() < end_s:
            if len(heard.await_packets(300, patience_s=0.2)) >= 300:
                break
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    report = json.loads(out)
    assert report["stopped_by_user"]
    assert report["n_sent"] >= 300
    assert report["lost"] == []


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--host", "127.0.0.1", "--dca", "192.0.2.9"], "no interface with the address"),
        (["--radar", "no_such_radar"], "no radar configuration of this name"),
        (["--host", "board"], "not an IPv4 address"),
    ],
)
def test_errors_are_explained(walk: Path, options: list[str], told: str) -> None:
    process = emulate(walk, own_link(), *options)
    out, error = process.communicate(timeout=60)
    assert process.returncode == 2
    assert told in error
    assert out == ""
