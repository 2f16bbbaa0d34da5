"""One shape for every error a user can meet: what, where, got, expected, remedy."""

from __future__ import annotations

from typing import Any


class ExplainedError(Exception):
    """An error that says what is wrong, where, and what to do about it.

    Parameters
    ----------
    what : str
        What went wrong, in one clause.
    where : object, optional
        File, key or object that is at fault.
    got, expected : object, optional
        The value met and the value that would have been right.
    remedy : str, optional
        What the user can do.
    """

    def __init__(
        self,
        what: str,
        *,
        where: Any = None,
        got: Any = None,
        expected: Any = None,
        remedy: str | None = None,
    ) -> None:
        self.what, self.where, self.got = what, where, got
        self.expected, self.remedy = expected, remedy
        super().__init__(what)

    def parts(self) -> dict[str, str]:
        """Return the parts that were given, in the order in which they are printed."""
        named = {
            "what": self.what,
            "where": self.where,
            "got": self.got,
            "expected": self.expected,
            "remedy": self.remedy,
        }
        return {name: str(part) for name, part in named.items() if part is not None}

    def __str__(self) -> str:
        parts = self.parts()
        head = parts.pop("what")
        place = parts.pop("where", None)
        head = f"{place}: {head}" if place else head
        return "; ".join([head, *(f"{name} {part}" for name, part in parts.items())])


class CaptureError(ExplainedError):
    """Root of the errors of the raw side."""


class ConfigError(CaptureError):
    """A configuration that cannot be read, or that contradicts itself."""


class LayoutError(CaptureError):
    """Bytes that do not have the layout they should have, or that fit more than one."""


class LinkError(CaptureError):
    """A DCA1000, a radar or a network that does not answer as it should."""


class RecordError(CaptureError):
    """A recording that cannot be begun or go on."""


class SimulationError(CaptureError):
    """A walker, scene or motion file that cannot be simulated."""


class CameraError(CaptureError):
    """A camera stream that cannot be opened or read."""
