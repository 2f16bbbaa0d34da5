"""The live side: receive, assemble, queue, record."""

from capture.udp.live import LiveSource
from capture.udp.receiver import UdpReceiver

__all__ = ["LiveSource", "UdpReceiver"]
