"""Image operations of the published chains: resizing, a threshold, the outline of a region."""

from __future__ import annotations

import numpy as np
import scipy.ndimage

_LEVELS = 256


def resized(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Resize by bilinear interpolation, smoothed first along axes that shrink.

    Parameters
    ----------
    image : float array, two axes
    shape : of the result

    Returns
    -------
    float64 array of that shape, inside the range of the image's values

    Notes
    -----
    As `skimage.transform.resize` does with its defaults: a Gaussian of (shrinkage - 1) / 2
    pixels, pixels as areas, the image mirrored at its edges.
    """
    image = np.asarray(image, np.float64)
    shrinkage = np.divide(image.shape, shape)
    smooth = scipy.ndimage.gaussian_filter(
        image, np.maximum(0, (shrinkage - 1) / 2), mode="mirror"
    )
    small = scipy.ndimage.zoom(smooth, 1 / shrinkage, order=1, mode="mirror", grid_mode=True)
    return np.asarray(np.clip(small, image.min(), image.max()))


def otsu_threshold(image: np.ndarray) -> float:
    """Level that parts the pixels into two classes as far from each other as can be.

    Otsu (1979), "A threshold selection method from gray-level histograms": the largest variance
    between the classes, over 256 levels from the least to the greatest value.
    """
    counts, edges = np.histogram(image, _LEVELS)
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1] / counts.sum()
    moment = np.cumsum(counts * centres)[:-1] / counts.sum()
    mean = float(counts @ centres) / counts.sum()
    variance = (mean * below - moment) ** 2 / (below * (1 - below))
    return float(centres[np.argmax(variance)])


def largest_outline(mask: np.ndarray) -> np.ndarray:
    """Outline of the largest region of a mask, its holes filled.

    Parameters
    ----------
    mask : bool array, two axes; regions hang together over edges and corners

    Returns
    -------
    bool array of the same shape
        Pixels of the region that have a neighbour (over an edge) outside it, or lie at the
        image's border; none for an empty mask.
    """
    regions, n_regions = scipy.ndimage.label(mask, np.ones((3, 3)))
    largest = np.zeros(mask.shape, bool)
    for number in range(1, n_regions + 1):
        filled = scipy.ndimage.binary_fill_holes(regions == number)
        if filled.sum() > largest.sum():
            largest = filled
    return np.asarray(largest & ~scipy.ndimage.binary_erosion(largest))
