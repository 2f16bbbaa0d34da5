"""GaitSADA's chain by the libraries that its script uses: OpenCV, scikit-image, `scipy.signal`.

For recordings of one antenna whose walker the script accepts, in double precision. Written from
the description in facts and from reading the script, not copied from it.
"""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import scipy.ndimage
import scipy.signal
import skimage.filters
import skimage.transform

from capture.config import RadarConfig


def chain(samples: np.ndarray, radar: RadarConfig) -> tuple[np.ndarray, bool]:
    """Image (256, 256) in dB, and whether the walker goes away, of samples (n, n_samples)."""
    rate_hz = radar.n_chirps / radar.frame_period_s
    bin_m = 3e8 / (2 * radar.slope_hz_per_s * radar.ramp_end_s)
    first, stop = int(np.ceil(1.0 / bin_m)), int(np.ceil(5.0 / bin_m))
    spectrum = np.fft.fft(samples.T * np.hanning(radar.n_samples)[:, None], axis=0)
    b, a = scipy.signal.butter(8, 50 / (rate_hz / 2), "high")
    x = np.array([scipy.signal.lfilter(b, a, row) for row in spectrum[first:stop]])
    x = x[np.flatnonzero(outline(x).any(axis=1))[0] :]
    mask, long = outline(x), 5 * int(np.ceil(0.2 * rate_hz))
    away = bool(np.flatnonzero(mask[0])[0] < mask.shape[1] / 2)
    for row, seen in zip(x, mask, strict=True):
        inside = np.flatnonzero(seen)
        keep = slice(inside[-1] - long, inside[-1]) if away else slice(inside[0], inside[0] + long)
        kept = np.zeros_like(row)
        kept[keep] = row[keep]
        row[:] = kept
    taper = scipy.signal.windows.chebwin(512, at=120)
    image = sum(
        np.abs(scipy.signal.spectrogram(
            row, rate_hz, taper, noverlap=496, nfft=512, return_onesided=False, mode="complex"
        )[2]) for row in x
    )  # fmt: skip
    image = np.fft.fftshift(np.asarray(image), axes=0)
    total = image.sum(axis=0)
    image = np.array([c / t if t else c for c, t in zip(image.T, total, strict=True)]).T
    image = np.clip(image - image.mean(), 0, None)
    g = cv2.getGaussianKernel(15, 2)
    image = scipy.ndimage.convolve(image, g @ g.T, mode="nearest")
    runs = [list(run) for any_, run in itertools.groupby(
        range(image.shape[1]), lambda k: bool(image[:, k].any())) if any_]
    image = 20 * np.log10(np.where(image > 0, image, 1e-9))[:, max(runs, key=len)[:-1]]
    middle = image.shape[1] // 2
    part = image[256:384] if away else image[128:256]
    part = part[:, middle - 512 : middle + 512]
    part = part[::-1, ::-1] if away else part
    return skimage.transform.resize(part, (256, 256)), away


def outline(x: np.ndarray) -> np.ndarray:
    level = 20 * np.log(np.abs(x) / np.abs(x).max())
    picture = skimage.transform.resize(level, (224, 224), mode="reflect", anti_aliasing=True)
    picture = scipy.ndimage.gaussian_filter(picture, sigma=5)
    mask = (picture > skimage.filters.threshold_otsu(picture)).astype(np.uint8)
    found, _ = cv2.findContours(mask, cv2.RETR_TREE, cv2.CHAIN_APPROX_NONE)
    line = np.zeros(mask.shape)
    for column, row in max(found, key=cv2.contourArea)[:, 0]:
        line[row, column] = 1
    return skimage.transform.resize(line, x.shape, mode="reflect", anti_aliasing=True) > 0
