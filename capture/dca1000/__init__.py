"""The DCA1000EVM and the radar behind it: packets to frames, commands, clock."""

from capture.dca1000.reassembler import PacketStats, RawFrame, Reassembler, ReassemblyParams

__all__ = ["PacketStats", "RawFrame", "Reassembler", "ReassemblyParams"]
