"""Errors of the processing side; the raw side has its own root, `capture.errors.CaptureError`."""

from __future__ import annotations

from capture.errors import ExplainedError


class RadaridError(ExplainedError):
    """Root of the errors of the processing side."""


class ParameterError(RadaridError):
    """A parameter of the signal processing that cannot work with this radar or data."""


class StoreError(RadaridError):
    """A gait store that is missing, damaged, of another version or of another configuration."""


class TrainError(RadaridError):
    """A training that cannot start or go on."""


class RunError(RadaridError):
    """A run folder or model file that is missing, damaged or does not fit the data."""


class IngestError(RadaridError):
    """A recording that cannot be brought into a store."""


class SplitError(RadaridError):
    """Clips that cannot be divided into training, validation and test as asked."""


class GalleryError(RadaridError):
    """A gallery or template key that is missing, damaged, or does not fit the student."""


class AuditError(RadaridError):
    """A file that cannot be searched for face data."""


class DashboardError(RadaridError):
    """A live page that cannot be served, or not to those who were asked for."""
