"""Pictures -> face crops for the teacher, found by MTCNN (one of the two doors to facenet_pytorch).

Zhang, Zhang, Li, Qiao: Joint Face Detection and Alignment Using Multitask Cascaded Convolutional
Networks, IEEE Signal Processing Letters 23 (2016). The detector's weights come with its package.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from capture.camera.face_params import FaceCounts, FaceParams
from capture.camera.reader import Camera, resize_image
from capture.camera.torchvision_guard import import_torchvision
from capture.errors import CameraError

__all__ = ["FaceCounts", "FaceCrop", "FaceCropper", "FaceParams", "crop_stream", "sharpness"]

_BATCH = 16
_ENLARGE_BELOW_PX = 160


@dataclass(frozen=True, slots=True)
class FaceCrop:
    """One face.

    Attributes
    ----------
    image : uint8 array, shape (image_size, image_size, 3), RGB
    confidence : the detector's probability of a face
    box : x1, y1, x2, y2 in the picture, pixels
    sharpness : variance of the crop's Laplacian, grey levels squared
    n_in_view : faces in the picture that it was taken from, this one included
    """

    image: np.ndarray
    confidence: float
    box: tuple[float, float, float, float]
    sharpness: float
    n_in_view: int = 1


class FaceCropper:
    """MTCNN, loaded once.

    Parameters
    ----------
    params : how faces are found
    device : torch device that the detector runs on
    """

    def __init__(self, params: FaceParams | None = None, device: str = "cpu") -> None:
        import_torchvision()
        import torch
        from facenet_pytorch import MTCNN

        self.params = params or FaceParams()
        # keep_all, because with a single choice facenet-pytorch 2.5 fails on numpy 2 for a batch
        # in which one picture has no face.
        self._detector: Any = MTCNN(
            min_face_size=self.params.min_face_px, thresholds=list(self.params.thresholds),
            factor=self.params.factor, post_process=False, keep_all=True,
            device=torch.device(device),
        ).eval()

    def crop(
        self, images: Sequence[np.ndarray], counts: FaceCounts | None = None
    ) -> list[list[FaceCrop]]:
        """Find and cut the faces of each picture.

        Parameters
        ----------
        images : uint8 arrays, shape (height, width, 3), RGB; sizes may differ
        counts : where to count pictures and faces

        Returns
        -------
        One list a picture of the faces that are good enough, the best (largest box area times
        confidence) first; an empty list where there is none.

        Raises
        ------
        CameraError
            An array that is not an RGB picture.
        """
        counts = FaceCounts() if counts is None else counts
        by_shape: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for index, image in enumerate(images):
            if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
                raise CameraError(
                    f"image {index} is not an RGB picture",
                    got=f"{image.dtype} {image.shape}", expected="uint8 (height, width, 3)",
                )
            by_shape[image.shape].append(index)
        faces: list[list[FaceCrop]] = [[] for _ in images]
        for shape, indices in by_shape.items():
            if min(shape[:2]) < self.params.min_face_px:
                continue
            for start in range(0, len(indices), _BATCH):
                part = indices[start : start + _BATCH]
                found = self._crop_equal_sizes(np.stack([images[index] for index in part]), counts)
                for index, crops in zip(part, found, strict=True):
                    faces[index] = crops
        counts.n_images += len(images)
        counts.n_with_face += sum(map(bool, faces))
        return faces

    def _crop_equal_sizes(self, images: np.ndarray, counts: FaceCounts) -> list[list[FaceCrop]]:
        enlarge = max(1.0, _ENLARGE_BELOW_PX / min(images.shape[1:3]))
        larger = images
        if enlarge > 1:
            height, width = (round(side * enlarge) for side in images.shape[1:3])
            larger = np.stack([resize_image(image, height, width) for image in images])
        boxes, confidences = self._detector.detect(larger)
        faces = []
        for image, image_boxes, image_confidences in zip(images, boxes, confidences, strict=True):
            crops: list[FaceCrop] = []
            if image_boxes is not None:
                scaled = np.asarray(image_boxes, dtype=np.float64) / enlarge
                sure = np.asarray(image_confidences, np.float64) >= self.params.min_confidence
                counts.n_unsure += int(np.sum(~sure))
                crops = self._cut(image, scaled[sure], image_confidences[sure], counts)
            faces.append(sorted(crops, key=_size_times_confidence, reverse=True))
        return faces

    def _cut(
        self, image: np.ndarray, boxes: np.ndarray, confidences: np.ndarray, counts: FaceCounts
    ) -> list[FaceCrop]:
        """Cut the faces of one picture, and count those that are not good enough."""
        counts.n_several += len(boxes) > 1
        if len(boxes) > 1 and self.params.several == "skip":
            counts.n_skipped += 1
            return []
        crops = []
        for box, confidence in zip(boxes, confidences, strict=True):
            low, high = self._edges(box, image)
            if min(box[2] - box[0], box[3] - box[1]) < self.params.min_size_px or (
                (high - low).min() < 1
            ):
                counts.n_small += 1
                continue
            size = self.params.image_size
            crop = resize_image(image[low[1] : high[1], low[0] : high[0]], size, size)
            sharp = sharpness(crop)
            if sharp < self.params.min_sharpness:
                counts.n_blurred += 1
                continue
            x1, y1, x2, y2 = (float(edge) for edge in box)
            crops.append(FaceCrop(crop, float(confidence), (x1, y1, x2, y2), sharp, len(boxes)))
        return crops

    def _edges(self, box: np.ndarray, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First and last pixel (x, y) of a crop: the box and its margin, inside the picture."""
        size, margin = self.params.image_size, self.params.margin
        grown = (box[2:] - box[:2]) * margin / (size - margin) / 2
        low = np.round(np.maximum(box[:2] - grown, 0)).astype(int)
        high = np.round(np.minimum(box[2:] + grown, image.shape[1::-1])).astype(int)
        return low, high


def _size_times_confidence(face: FaceCrop) -> float:
    x1, y1, x2, y2 = face.box
    return (x2 - x1) * (y2 - y1) * face.confidence


def sharpness(image: np.ndarray) -> float:
    """Variance of the Laplacian of the grey picture, grey levels squared; 0 for a plain one.

    Pech-Pacheco et al., Diatom autofocusing in brightfield microscopy, ICPR 2000.
    """
    grey = image.astype(np.float64) @ (0.299, 0.587, 0.114)
    inner = grey[1:-1, 1:-1]
    around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return float(np.var(around - 4 * inner))


@functools.cache
def _cropper(params: FaceParams, device: str) -> FaceCropper:
    return FaceCropper(params, device)


def crop_stream(
    camera: Camera,
    params: FaceParams | None = None,
    *,
    max_faces: int | None = None,
    every_n: int = 1,
    device: str = "cpu",
    counts: FaceCounts | None = None,
) -> list[tuple[float, FaceCrop]]:
    """Best face of every n-th picture of a camera stream, until `max_faces` are found.

    Parameters
    ----------
    camera : pictures with times
    params : how faces are found
    max_faces : stop once so many faces are there; None for the whole stream
    every_n : look at pictures 0, n, 2 n, ...
    device : torch device that the detector runs on
    counts : where to count pictures and faces

    Returns
    -------
    (time_s, face) of the pictures that show one, in order of time.

    Raises
    ------
    CameraError
        A picture that cannot be read, or `every_n`, `max_faces` below 1.
    """
    if every_n < 1 or (max_faces is not None and max_faces < 1):
        raise CameraError("'every_n' and 'max_faces' must be at least 1",
                          got=f"{every_n} and {max_faces}")
    cropper = _cropper(params or FaceParams(), device)
    found: list[tuple[float, FaceCrop]] = []
    pictures = islice(camera, 0, None, every_n)
    while max_faces is None or len(found) < max_faces:
        missing = _BATCH if max_faces is None else min(_BATCH, max_faces - len(found))
        batch = list(islice(pictures, missing))
        if not batch:
            break
        faces = cropper.crop([image for _, image in batch], counts)
        found += [(time_s, best[0]) for (time_s, _), best in zip(batch, faces, strict=True) if best]
    return found
