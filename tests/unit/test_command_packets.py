"""Bytes of the DCA1000's commands, worked out by hand from TI's tables (SPRUIJ4)."""

import pytest

from capture.config import RadarConfig
from capture.dca1000.command_packets import (
    EXPLANATIONS,
    Command,
    FpgaVersion,
    Status,
    decode_request,
    decode_response,
    encode_request,
    encode_response,
    explain_status,
    fpga_settings,
    packet_delay_us,
    packet_settings,
)
from capture.errors import LinkError


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (Command.RESET_FPGA, "01"), (Command.RESET_RADAR, "02"), (Command.RECORD_START, "05"),
        (Command.RECORD_STOP, "06"), (Command.ALIVE, "09"), (Command.READ_VERSION, "0e"),
    ],
)  # fmt: skip
def test_a_request_without_data_is_eight_bytes(command: Command, code: str) -> None:
    assert encode_request(command).hex() == f"5aa5{code}000000aaee"


def test_the_settings_of_an_iwr1843() -> None:
    request = encode_request(Command.CONFIG_FPGA, fpga_settings(RadarConfig(device="IWR1843")))
    assert request.hex(" ") == "5a a5 03 00 06 00 01 02 01 02 03 1e aa ee"


@pytest.mark.parametrize(
    ("n_lanes", "bits", "settings"),
    [(2, 16, "01020102031e"), (4, 16, "01010102031e"), (4, 12, "01010102011e"),
     (2, 14, "01020102021e")],
)  # fmt: skip
def test_lanes_and_bits_choose_the_mode(n_lanes: int, bits: int, settings: str) -> None:
    radar = RadarConfig(n_lanes=n_lanes, adc_bits=bits)  # type: ignore[arg-type]
    assert fpga_settings(radar).hex() == settings


@pytest.mark.parametrize(
    ("delay_us", "data"),
    # 1470 = 0x05be; 25 us are 3125 ticks of 8 ns = 0x0c35, 5 us 625 = 0x0271, 500 us 62500 = 0xf424
    [(25, "be05350c0000"), (5, "be0571020000"), (500, "be0524f40000")],
)
def test_the_packet_delay_counts_ticks(delay_us: float, data: str) -> None:
    assert packet_settings(delay_us).hex() == data
    assert packet_delay_us(bytes.fromhex(data)) == delay_us


@pytest.mark.parametrize("delay_us", [0, 4.9, 501, float("nan")])
def test_a_delay_that_the_board_cannot_make_is_refused(delay_us: float) -> None:
    with pytest.raises(LinkError, match="out of range"):
        packet_settings(delay_us)


def test_the_delay_given_in_microseconds_by_mistake_is_refused() -> None:
    with pytest.raises(LinkError, match="ticks"):
        packet_delay_us(bytes.fromhex("be0519000000"))


def test_version_word() -> None:
    # major 2 in bits 0 to 6, minor 8 in bits 7 to 13: 2 + 8 * 128 = 1026; bit 14: 16384
    assert FpgaVersion.from_word(1026) == FpgaVersion(2, 8)
    assert FpgaVersion.from_word(1026 + 16384) == FpgaVersion(2, 8, is_playback=True)
    assert FpgaVersion(2, 8, is_playback=True).word == 17410
    assert str(FpgaVersion(2, 8)) == "2.8 (record)"


def test_response_bytes() -> None:
    assert encode_response(Command.READ_VERSION, 1026).hex() == "5aa50e000204aaee"
    assert decode_response(bytes.fromhex("5aa503000100aaee")) == (3, 1)


@pytest.mark.parametrize(
    "datagram",
    ["", "5aa50e000204aa", "5aa50e000204aaeeff", "a55a0e000204aaee", "5aa50e000204eeaa"],
)
def test_what_is_no_response_is_refused(datagram: str) -> None:
    with pytest.raises(LinkError, match="not an answer"):
        decode_response(bytes.fromhex(datagram))


def test_a_request_is_read_back() -> None:
    assert decode_request(bytes.fromhex("5aa50b000600be05350c0000aaee")) == (
        Command.CONFIG_PACKET, bytes.fromhex("be05350c0000"),
    )  # fmt: skip


@pytest.mark.parametrize(
    "datagram",
    [
        "5aa50b000500be05350c0000aaee",  # size 5, six bytes
        "5aa50900ff0faaee",  # size 4095
        "5aa509000000eeaa",
        "a55a09000000aaee",
        "5aa5090000aaee",
    ],
)
def test_what_is_no_request_is_refused(datagram: str) -> None:
    with pytest.raises(LinkError, match="not a command"):
        decode_request(bytes.fromhex(datagram))


def test_the_longest_request() -> None:
    assert len(encode_request(Command.CONFIG_RADAR, bytes(504))) == 512
    with pytest.raises(LinkError, match="too much data"):
        encode_request(Command.CONFIG_RADAR, bytes(505))


def test_every_status_bit_is_explained() -> None:
    assert set(EXPLANATIONS) == set(Status)
    assert [int(bit) for bit in (Status.NO_LVDS_DATA, Status.DDR_FULL, Status.RECORD_DONE)] == [
        1, 128, 256,
    ]  # fmt: skip
    told = explain_status(Status(0b1000_0001))
    assert len(told) == 2
    assert "LVDS" in told[0]
    assert "memory is full" in told[1]
    assert explain_status(Status(1 << 14)) == ["unknown status bits 0x4000"]
    assert str(Status.RECORD_DONE) == "the recording is over"
