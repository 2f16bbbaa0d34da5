"""The only door to OpenRadar (`import mmwave`): its readers, where they are right.

OpenRadar reads one layout of the nine (IIQQ), 16 bits, one file, no losses. Within these limits it
is an independent second opinion, which the tests ask for.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from capture.errors import LayoutError
from capture.types import AdcFrame


def openradar_samples(frame: AdcFrame) -> np.ndarray:
    """Samples of a frame as OpenRadar's `DCA1000.organize` decodes them.

    Parameters
    ----------
    frame : a frame in layout IIQQ with 16-bit samples

    Returns
    -------
    complex64 array, shape (n_chirps, n_rx, n_samples), ADC counts

    Raises
    ------
    LayoutError
        A layout or word length that OpenRadar would decode to something else.
    """
    from mmwave.dataloader import DCA1000

    config = frame.config
    if frame.layout != "IIQQ" or config.adc_bits != 16:
        raise LayoutError(
            "OpenRadar would decode this frame wrongly",
            got=f"{frame.layout}, {config.adc_bits} bit",
            expected="IIQQ, 16 bit",
            remedy="use capture.layouts.decode",
        )
    shape = config.n_chirps, config.n_rx, config.n_samples
    samples = DCA1000.organize(np.ascontiguousarray(frame.words).reshape(-1), *shape)
    return np.asarray(samples, np.complex64)


def openradar_strip_packets(source: Path, target: Path) -> None:
    """Write the payload of a recording with packet headers as OpenRadar's `parse_raw_adc` does.

    It is right for recordings without any loss, with every packet in its place.
    """
    from mmwave.dataloader import parse_raw_adc

    parse_raw_adc(str(source), str(target))
