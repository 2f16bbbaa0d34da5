"""`radarid emulate`: a DCA1000 made of software, with a recording behind it."""

from __future__ import annotations

from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Annotated, Any

import typer

from radarid.cli.output import JsonFlag, print_json, print_table

if TYPE_CHECKING:
    from capture.config import RadarConfig
    from capture.emulator.board import Emulator

_GRACE_S = 10.0  # so that whoever started the recording can stop it after its end


def emulate(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="A .bin file, or all its parts.")
    ],
    radar: Annotated[
        str | None, typer.Option(help="Radar configuration; default: the one beside the file.")
    ] = None,
    speed: Annotated[
        float, typer.Option(min=0, help="Times the radar's rate; 0: as fast as possible.")
    ] = 1.0,
    loss: Annotated[float, typer.Option(min=0, max=1, help="Probability of a loss.")] = 0.0,
    reorder: Annotated[float, typer.Option(min=0, max=1, help="Of a late packet.")] = 0.0,
    duplicate: Annotated[float, typer.Option(min=0, max=1, help="Of a double.")] = 0.0,
    restart_after: Annotated[
        int, typer.Option(min=0, help="Packets after which the counters begin anew, once.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="Of the faults.")] = 0,
    host: Annotated[str, typer.Option(help="Where packets go.")] = "127.0.0.1",
    dca: Annotated[str, typer.Option(help="The board's own address.")] = "127.0.0.2",
    config_port: Annotated[int, typer.Option(help="UDP port of commands.")] = 4096,
    data_port: Annotated[int, typer.Option(help="UDP port of samples.")] = 4098,
    packet_delay: Annotated[
        float, typer.Option(metavar="US", help="Pause between packets until a command sets it.")
    ] = 25.0,
    loop: Annotated[bool, typer.Option("--loop", help="Repeat until Ctrl-C.")] = False,
    serial: Annotated[
        bool, typer.Option("--serial", help="Emulate the radar's serial port, too.")
    ] = False,
    start_now: Annotated[
        bool, typer.Option("--start-now", help="Do not wait for a record start command.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Stream a recording as a DCA1000 would: commands answered, packets paced, faults on demand.

    Ends with the recording, or with Ctrl-C, and then says what was sent and what was left out.
    """
    from capture.dca1000.link import LinkParams
    from capture.emulator.board import Emulator
    from capture.emulator.faults import FaultParams
    from radarid.progress import log

    link = LinkParams(
        host=host, dca1000=dca, config_port=config_port, data_port=data_port,
        packet_delay_us=packet_delay,
    )  # fmt: skip
    faults = FaultParams(
        loss=loss, reorder=reorder, duplicate=duplicate, restart_after=restart_after, seed=seed
    )
    config = _radar_of(files[0], radar)
    with Emulator(files, config, link, faults, speed=speed, loop=loop, serial=serial) as board:
        _say_what_it_does(board, speed)
        if start_now:
            board.start()
        else:
            log.info("waits for RECORD_START (--start-now does not)")
        stopped = _wait(board)
        board.stop()
        report = _report(board) | {"stopped_by_user": stopped}
    if as_json:
        lost = [list(stretch) for stretch in board.sent.lost] if board.runs else []
        print_json(report | {"lost": lost})
        return
    rows = [(name.replace("_", " "), value) for name, value in report.items()]
    print_table(files[0].name, ("", ""), rows)


def _radar_of(recording: Path, name: str | None) -> RadarConfig:
    from capture.formats.load import find_config, load_radar_config
    from radarid.config import find

    return load_radar_config(find("radar", name) if name else find_config(recording))


def _wait(board: Emulator) -> bool:
    """Wait for the end of the stream, and a while for RECORD_STOP; whether Ctrl-C came first."""
    try:
        while not board.wait(0.2):
            pass
        end_s = monotonic() + _GRACE_S
        while board.is_recording.is_set() and monotonic() < end_s:
            sleep(0.05)
    except KeyboardInterrupt:
        return True
    return False


def _say_what_it_does(board: Emulator, speed: float) -> None:
    from capture.dca1000.packets import PAYLOAD_BYTES
    from radarid.progress import log

    link, rate_bps = board.link, speed * board.config.data_rate_bps
    log.info(
        "DCA1000 at %s: commands on port %d, packets to %s:%d",
        link.dca1000, link.config_port, link.host, link.data_port,
    )  # fmt: skip
    if speed:
        packets_hz = rate_bps / 8 / PAYLOAD_BYTES
        log.info("%.0f packets/s, %.1f Mb/s of samples", packets_hz, rate_bps / 1e6)
    else:
        log.info("as fast as this machine sends")
    if board.radar:
        log.info("radar's command line at %s; waits for its sensorStart", board.radar.port)


def _report(board: Emulator) -> dict[str, Any]:
    """What the last recording sent, and which faults were put in."""
    if not board.runs:
        return {"n_recordings": 0, "n_sent": 0}
    sent = board.sent
    seconds = max(sent.elapsed_s, 1e-9)
    return {
        "n_recordings": len(board.runs), "n_packets": sent.n_turns, "n_sent": sent.n_sent,
        "n_bytes": sent.n_bytes, "n_lost": sent.n_lost, "n_reordered": sent.n_late,
        "n_duplicate": sent.n_copies, "n_restarts": sent.n_restarts,
        "seconds": round(sent.elapsed_s, 3), "packets_per_s": round(sent.n_sent / seconds),
        "mbit_per_s": round(8e-6 * sent.n_bytes / seconds, 2),
    }  # fmt: skip
