"""A DCA1000 on loopback, with faults on demand."""

from capture.emulator.board import Emulator

__all__ = ["Emulator"]
