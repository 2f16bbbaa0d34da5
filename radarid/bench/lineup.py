"""The contenders in the order of the table, and those of them that can run here."""

from __future__ import annotations

from radarid.bench import contenders, contenders_tiles
from radarid.bench.contenders import Contender

ONE, TWO = "radarid, 1 thread", "radarid, 2 threads"
OPENED = "radarid, 2 threads, file opened before"
OPENRADAR = "OpenRadar + scipy.signal.stft"
SCIPY_WORKERS = "scipy.fft, workers=2"
SCIPY_THREADS = "scipy.fft, two Python threads"
FFTW = "Numba + FFTW tiles"
MMWCORE, XWR, TORCH = "mmwcore", "xwr.rsp", "torch tiles"
ROCKET = "Numba + rocket-fft tiles"

CONTENDERS = (
    Contender(TWO, 2, contenders.radarid(2)),
    Contender(ONE, 1, contenders.radarid(1)),
    Contender(OPENED, 2, contenders.radarid(2, is_open=True)),
    Contender(FFTW, 2, contenders_tiles.fftw_tiles, (("pyfftw", "pyFFTW"),)),
    Contender(ROCKET, 2, contenders_tiles.rocket_fft, (("rocket_fft", "rocket-fft"),)),
    Contender(SCIPY_THREADS, 2, contenders.scipy_careful(1, 2)),
    Contender(SCIPY_WORKERS, 2, contenders.scipy_careful(2, 1)),
    Contender(XWR, 1, contenders.xwr_rsp, (("xwr", "xwr"), ("pyfftw", "pyFFTW"))),
    Contender(MMWCORE, 1, contenders.mmwcore, (("mmwcore", "mmwcore"),)),
    Contender(TORCH, 2, contenders_tiles.torch_tiles, (("torch", "torch"),)),
    Contender(OPENRADAR, 1, contenders.openradar, (("mmwave", "openradar"),)),
)
"""Numbers of threads are what each asks for; the table's utilisation says what it got."""


def by_name(name: str) -> Contender:
    """The contender of that name."""
    return next(one for one in CONTENDERS if one.name == name)


def installed() -> tuple[list[Contender], dict[str, list[str]]]:
    """Contenders that can run here, and for the others the packages that they lack."""
    missing = {one.name: one.missing for one in CONTENDERS if one.missing}
    return [one for one in CONTENDERS if one.name not in missing], missing
