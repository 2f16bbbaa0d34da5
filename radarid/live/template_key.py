"""Protected templates: a secret projection that can be replaced when a gallery has leaked.

Embeddings are projected to fewer dimensions by an orthonormal matrix that follows from a key.
Angles are nearly kept (Johnson and Lindenstrauss 1984), so matching works on what is projected;
under another key the same walk gives an unrelated template, and even with the key the lost
dimensions cannot be had back (Teoh et al., "Random multispace quantization", PAMI 2006, has the
idea with one key a person; here it is one a gallery).
"""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from radarid.errors import GalleryError
from radarid.learn.openset import unit

_KEY_BYTES = 32


@dataclass(frozen=True)
class TemplateKey:
    """A secret of 256 bits. It is never printed.

    Attributes
    ----------
    secret : the bytes
    """

    secret: bytes

    def __repr__(self) -> str:
        return f"TemplateKey({self.id})"

    @property
    def id(self) -> str:
        """Tells keys apart without giving anything away."""
        return hashlib.sha256(b"radarid template key id" + self.secret).hexdigest()[:16]

    def protect(self, embeddings: np.ndarray) -> np.ndarray:
        """Project unit vectors.

        Parameters
        ----------
        embeddings : float array, shape (n, d)

        Returns
        -------
        float32 array, shape (n, d // 2), of length 1 again
        """
        n_embedding = embeddings.shape[1]
        matrix = self.matrix(n_embedding // 2, n_embedding)
        return unit(unit(embeddings.astype(np.float64)) @ matrix.T).astype(np.float32)

    def matrix(self, n_out: int, n_in: int) -> np.ndarray:
        """Projection of this key, float64 (n_out, n_in), with orthonormal rows.

        Notes
        -----
        SHAKE-256 of the key gives uniform numbers, Box and Muller make Gaussian ones of them,
        and a QR decomposition with a positive diagonal makes those orthonormal: a uniformly
        random subspace, the same on every machine and with every version of NumPy.
        """
        n_pairs = -(-n_out * n_in // 2)
        stream = hashlib.shake_256(
            b"radarid template projection" + n_out.to_bytes(4) + n_in.to_bytes(4) + self.secret
        ).digest(16 * n_pairs)
        uniform = (np.frombuffer(stream, "<u8").reshape(2, -1) >> 11) * 2.0**-53
        radius, angle = np.sqrt(-2 * np.log1p(-uniform[0])), 2 * np.pi * uniform[1]
        gaussian = np.r_[radius * np.cos(angle), radius * np.sin(angle)][: n_out * n_in]
        q, r = np.linalg.qr(gaussian.reshape(n_in, n_out))
        return np.asarray((q * np.sign(np.diag(r))).T)


def new_key(path: Path) -> TemplateKey:
    """Draw a key and write it into a file that only its owner can read.

    Raises
    ------
    GalleryError
        The file exists, or cannot be made.
    """
    key = TemplateKey(secrets.token_bytes(_KEY_BYTES))
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        raise GalleryError(
            "exists already; a lost key cannot be had back", where=path, remedy="another name"
        ) from None
    except OSError as failure:
        raise GalleryError(f"cannot be made: {failure.strerror}", where=path) from None
    with os.fdopen(handle, "w", encoding="ascii") as stream:
        stream.write(key.secret.hex() + "\n")
    return key


def read_key(path: Path) -> TemplateKey:
    """Read a key.

    Raises
    ------
    GalleryError
        Missing, not a key, or readable by others than its owner.
    """
    try:
        text = path.read_bytes()[: 2 * _KEY_BYTES + 3].strip()
        mode = path.stat().st_mode
    except OSError as failure:
        raise GalleryError(
            f"no key: {failure.strerror}", where=path, remedy=f"radarid gallery key {path}"
        ) from None
    if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise GalleryError("others can read this key", where=path, remedy=f"chmod 600 {path}")
    try:
        secret = bytes.fromhex(text.decode("ascii"))
    except ValueError:
        secret = b""
    if len(secret) != _KEY_BYTES:
        raise GalleryError("not a key", where=path, expected=f"{2 * _KEY_BYTES} hex digits")
    return TemplateKey(secret)
