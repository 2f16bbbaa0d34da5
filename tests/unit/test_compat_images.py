"""Image operations of the published chains against the libraries that their scripts use."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import scipy.ndimage
import skimage.filters
import skimage.transform

from radarid.dsp.compat_images import largest_outline, otsu_threshold, resized
from radarid.dsp.compat_strung import column_share, resized_axis


def blobs(shape: tuple[int, int], seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal(shape)
    return np.asarray(scipy.ndimage.gaussian_filter(noise, 5))


@pytest.mark.parametrize("shape", [(224, 224), (24, 999), (300, 7)])
def test_resized_is_skimage(shape: tuple[int, int]) -> None:
    image = blobs((24, 4600), 1)
    theirs = skimage.transform.resize(image, shape, mode="reflect", anti_aliasing=True)
    np.testing.assert_allclose(resized(image, shape), theirs, atol=1e-12)


def test_pixels_of_a_resized_axis_lie_where_the_image_puts_them() -> None:
    # A ramp keeps its values: each pixel shows the place that it stands for.
    for n in (128, 1024):
        places = resized_axis(3.0, n)
        shown = resized(np.tile(3.0 + np.arange(n), (2, 1)), (2, 256))[0]
        inner = slice(8, -8)
        np.testing.assert_allclose(shown[inner], places[inner], atol=1e-3)


def test_otsu_is_skimage_and_parts_two_heaps() -> None:
    image = blobs((200, 150), 2)
    assert otsu_threshold(image) == pytest.approx(skimage.filters.threshold_otsu(image), abs=1e-9)
    heaps = np.concatenate([np.linspace(0, 1, 500), np.linspace(9, 10, 500)])
    assert 0.95 < otsu_threshold(heaps) < 9  # at a level's middle, 0.02 below the heap's end


@pytest.mark.parametrize("seed", range(4))
def test_outline_is_opencv_s_largest_contour(seed: int) -> None:
    mask = blobs((120, 140), seed) > 0.03
    found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    expected = np.zeros(mask.shape, bool)
    for column, row in max(found, key=cv2.contourArea)[:, 0]:
        expected[row, column] = True
    assert (largest_outline(mask) == expected).all()


def test_nothing_has_no_outline() -> None:
    assert not largest_outline(np.zeros((5, 6), bool)).any()


def test_share_of_what_was_received() -> None:
    valid = np.array([1, 1, 0, 0, 1, 1], bool)
    share = column_share(valid, np.array([0, 1, 2, 0.5, -2]), 2)
    np.testing.assert_allclose(share, [1, 0.5, 0, 0.75, 0])
