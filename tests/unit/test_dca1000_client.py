"""The board's client: against the emulator, and against boards that misbehave."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from emulation import RADAR, Listener, counters_of, own_link, payload_of, record

from capture.config import RadarConfig
from capture.dca1000.command_packets import Command, encode_response
from capture.dca1000.commands import Dca1000, FpgaVersion, Status
from capture.dca1000.link import LinkParams
from capture.emulator.board import Emulator
from capture.errors import LinkError

Answer = Callable[[bytes, int], list[bytes]]


@contextmanager
def board(link: LinkParams, answer: Answer) -> Iterator[list[bytes]]:
    """A board that answers the k-th request with some datagrams; the requests it got."""
    requests: list[bytes] = []
    closing = threading.Event()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.bind((link.dca1000, link.config_port))
        own.settimeout(0.05)

        def serve() -> None:
            while not closing.is_set():
                try:
                    request, peer = own.recvfrom(2048)
                except TimeoutError:
                    continue
                requests.append(request)
                for datagram in answer(request, len(requests)):
                    own.sendto(datagram, peer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield requests
        finally:
            closing.set()
            thread.join()


def obey(request: bytes, _: int = 0) -> list[bytes]:
    return [encode_response(request[2], 0)]


def test_the_requests_and_their_order() -> None:
    link = own_link()
    with board(link, obey) as requests, Dca1000(link) as client:
        client.reset_fpga()
        client.configure(RADAR)
        client.start()
        client.stop()
    assert [request.hex(" ") for request in requests] == [
        "5a a5 01 00 00 00 aa ee",
        "5a a5 03 00 06 00 01 02 01 02 03 1e aa ee",
        "5a a5 0b 00 06 00 be 05 71 02 00 00 aa ee",  # 5 us: 625 ticks
        "5a a5 05 00 00 00 aa ee",
        "5a a5 06 00 00 00 aa ee",
    ]


def test_a_recording_through_the_emulator(tmp_path: Path) -> None:
    payload = record(tmp_path / "walk.bin", 20 * 8000)
    link = own_link()
    with (
        Listener(link) as heard,
        Emulator(tmp_path / "walk.bin", RADAR, link, flush_s=0) as emulator,
        Dca1000(link) as client,
    ):
        client.alive()
        assert client.version() == FpgaVersion(2, 8)
        client.configure(RADAR)
        for run in (1, 2):  # the second one starts anew
            client.start()
            assert client.is_recording
            assert emulator.wait(10)
            datagrams = heard.await_packets(run * 110)[-110:]
            assert payload_of(datagrams) == payload
            assert counters_of(datagrams)[0] == (1, 0)
            client.stop()
            assert not client.is_recording
        assert len(emulator.runs) == 2


def statuses_of(client: Dca1000) -> tuple[Status, ...]:
    """Wait for asynchronous status packets."""
    end_s = time.monotonic() + 5
    while time.monotonic() < end_s:
        if found := client.statuses():
            return found
        time.sleep(0.01)
    return ()


def test_stopping_early_stops_the_packets_and_says_so(tmp_path: Path) -> None:
    record(tmp_path / "walk.bin", 100 * 8000)
    link = own_link()
    with (
        Listener(link) as heard,
        Emulator(tmp_path / "walk.bin", RADAR, link) as emulator,
        Dca1000(link) as client,
    ):
        client.configure(RADAR)
        client.start()
        heard.await_packets(20)
        client.stop()
        assert statuses_of(client) == (Status.RECORD_DONE,)
        assert emulator.sent.n_sent == len(heard.await_packets(emulator.sent.n_sent)) < 550


def test_a_second_start_begins_anew_in_the_middle_of_the_first(tmp_path: Path) -> None:
    payload = record(tmp_path / "walk.bin", 100 * 8000)
    link = own_link()
    with (
        Listener(link) as heard,
        Emulator(tmp_path / "walk.bin", RADAR, link) as emulator,
        Dca1000(link) as client,
    ):
        client.configure(RADAR)
        client.start()
        heard.await_packets(20)
        client.start()
        n_first = emulator.runs[0].n_sent
        datagrams = heard.await_packets(n_first + 100)[:n_first + 100]
    first, second = datagrams[:n_first], datagrams[n_first:]
    assert 20 <= n_first < 550
    assert payload_of(first) == payload[: 1456 * n_first]
    assert payload_of(second) == payload[: 1456 * 100]
    assert counters_of(second)[0] == (1, 0)


def test_wrong_lanes_bring_no_data(tmp_path: Path) -> None:
    record(tmp_path / "walk.bin", 8000)
    link = own_link()
    with Emulator(tmp_path / "walk.bin", RADAR, link) as emulator, Dca1000(link) as client:
        client.configure(RadarConfig(n_lanes=4))
        client.start()
        assert statuses_of(client) == (Status.NO_LVDS_DATA,)
        assert not emulator.runs


class RunningRadar:
    is_running = True


def test_the_order_is_enforced() -> None:
    link = own_link()
    with board(link, obey) as requests, Dca1000(link) as client:
        with pytest.raises(LinkError, match="was not configured before"):
            client.start()
        client.configure(RADAR)
        with pytest.raises(LinkError, match="radar was started before.*misaligned"):
            client.start(RunningRadar())
        assert len(requests) == 2  # nothing of this was sent
        client.start()
        with pytest.raises(LinkError, match="while it records"):
            client.configure(RADAR)
        client.reset_fpga()
        with pytest.raises(LinkError, match="was not configured before"):
            client.start()


def test_a_refused_setting_leaves_the_board_unconfigured() -> None:
    link = own_link()

    def refuse_packets(request: bytes, k: int) -> list[bytes]:
        status = encode_response(Command.ASYNC_STATUS, int(Status.MODE_FAILURE))
        return [status, encode_response(request[2], request[2] == Command.CONFIG_PACKET)]

    with board(link, refuse_packets), Dca1000(link) as client:
        with pytest.raises(LinkError, match="refused CONFIG_PACKET.*status 1.*SW2.5"):
            client.configure(RADAR)
        with pytest.raises(LinkError, match="not configured"):
            client.start()


def test_silence_is_explained_after_three_requests() -> None:
    link = own_link()
    with board(link, lambda *_: []) as requests, Dca1000(link, timeout_s=0.05) as client:
        with pytest.raises(LinkError, match="does not answer ALIVE") as failure:
            client.alive()
        time.sleep(0.1)
    assert len(requests) == 3
    remedy = failure.value.parts()["remedy"]
    for hint in ("SW2.5", "SW2.6", "firewall", "power", link.host, "never answers ping"):
        assert hint in remedy


def test_record_start_is_not_repeated() -> None:
    link = own_link()

    def ignore_start(request: bytes, k: int) -> list[bytes]:
        return [] if request[2] == Command.RECORD_START else obey(request)

    with board(link, ignore_start) as requests, Dca1000(link, timeout_s=0.05) as client:
        client.configure(RADAR)
        with pytest.raises(LinkError, match="does not answer RECORD_START"):
            client.start()
        time.sleep(0.1)
        assert not client.is_recording
    assert [request[2] for request in requests] == [3, 11, 5]


def test_a_lost_request_is_repeated() -> None:
    link = own_link()
    with (
        board(link, lambda request, k: obey(request) if k == 3 else []) as requests,
        Dca1000(link, timeout_s=0.2) as client,
    ):
        client.alive()
        assert len(requests) == 3


def test_answers_of_strangers_do_not_count() -> None:
    link = own_link()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind((link.dca1000, 0))  # the right address, another port

        def answer_from_elsewhere(request: bytes, k: int) -> list[bytes]:
            stranger.sendto(obey(request)[0], (link.host, link.config_port))
            return []

        port = stranger.getsockname()[1]
        unanswered = pytest.raises(LinkError, match=f"got datagrams from {link.dca1000}:{port}")
        with board(link, answer_from_elsewhere), Dca1000(link, 0.1) as client, unanswered:
            client.alive()


def test_old_answers_do_not_count() -> None:
    def lag(request: bytes, k: int) -> list[bytes]:
        answers = [encode_response(Command.ALIVE, 0), encode_response(Command.READ_VERSION, 1026)]
        return answers if request[2] == Command.ALIVE else []

    link = own_link()
    with board(link, lag), Dca1000(link, timeout_s=0.05) as client:
        client.alive()
        time.sleep(0.05)
        with pytest.raises(LinkError, match="does not answer READ_VERSION"):
            client.version()


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (encode_response(Command.READ_VERSION, 0), "an answer to command 0x0e"),
        (b"\x5a\xa5\x09\x00\x00\x00", "not an answer of a DCA1000"),
    ],
)
def test_other_answers_are_reported(answer: bytes, told: str) -> None:
    link = own_link()
    with (
        board(link, lambda *_: [answer]),
        Dca1000(link, timeout_s=0.05) as client,
        pytest.raises(LinkError, match=told),
    ):
        client.alive()


def test_status_packets_in_between_are_collected() -> None:
    link = own_link()

    def with_status(request: bytes, k: int) -> list[bytes]:
        bits = encode_response(Command.ASYNC_STATUS, 1 << 7 if k == 1 else 1 << 9)
        return [bits, *obey(request)]

    with board(link, with_status), Dca1000(link) as client:
        client.alive()
        client.alive()
        assert client.statuses() == (Status.DDR_FULL, Status.LVDS_BUFFER_FULL)
        assert client.statuses() == ()


def test_the_emulator_refuses_nonsense(tmp_path: Path) -> None:
    record(tmp_path / "walk.bin", 8000)
    link = own_link()
    with (
        Emulator(tmp_path / "walk.bin", RADAR, link),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as host,
    ):
        host.bind((link.host, link.config_port))
        host.settimeout(5)
        for request, answer in {
            "5aa50900ff00aaee": "5aa509000100aaee",  # wrong size
            "5aa50300060001020102031eaaef": "5aa503000100aaee",  # wrong footer
            "5aa50300060001030102031eaaee": "5aa503000100aaee",  # LVDS mode 3
            "5aa50b000600be0519000000aaee": "5aa50b000100aaee",  # microseconds for ticks
            "5aa505000000aaee": "5aa505000100aaee",  # record start before configuration
            "5aa507000000aaee": "5aa507000100aaee",  # playback
            "5aa50e000000aaee": "5aa50e000204aaee",  # version 2.8 all the same
        }.items():
            host.sendto(b"short", (link.dca1000, link.config_port))  # is left unanswered
            host.sendto(bytes.fromhex(request), (link.dca1000, link.config_port))
            assert host.recv(64).hex() == answer


def test_a_busy_command_port_is_explained() -> None:
    link = own_link()
    busy = pytest.raises(LinkError, match="the port is busy")
    with Dca1000(link), busy:
        Dca1000(link)
