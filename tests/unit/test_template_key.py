"""Protected templates: angles nearly kept, nothing in common between keys, keys kept to oneself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from galleries import Crowd, gallery

from radarid.errors import GalleryError
from radarid.learn.openset import unit
from radarid.live.gallery import Gallery
from radarid.live.matcher import Matcher
from radarid.live.template_key import TemplateKey, new_key, read_key

ONE, OTHER = TemplateKey(bytes(range(32))), TemplateKey(bytes(range(1, 33)))


def test_the_projection_is_onto_orthonormal_directions() -> None:
    matrix = ONE.matrix(24, 64)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(24), atol=1e-12)
    assert np.array_equal(matrix, ONE.matrix(24, 64))
    assert abs(matrix - OTHER.matrix(24, 64)).max() > 0.1


def test_angles_are_nearly_kept() -> None:
    common, *own = np.random.default_rng(0).normal(size=(3, 400, 512))
    one, other = unit(common + own[0]), unit(common + own[1])  # cosines around 0.5
    kept = ONE.protect(one)
    assert kept.shape == (400, 256)
    change = (kept * ONE.protect(other)).sum(1) - (one * other).sum(1)
    # A correlation c seen through k of d dimensions: (1 - c^2) / sqrt(k), less as k nears d.
    scatter = (1 - 0.5**2) * np.sqrt((1 - 256 / 512) / 256)
    assert change.std() == pytest.approx(scatter, rel=0.2)
    assert abs(change.mean()) < 4 * scatter / np.sqrt(400)


def test_templates_under_two_keys_are_unrelated() -> None:
    same = unit(np.random.default_rng(1).normal(size=(300, 512)))
    cosines = (ONE.protect(same) * OTHER.protect(same)).sum(1)
    assert abs(cosines.mean()) < 4 / np.sqrt(256 * 300)  # as of random directions
    assert cosines.std() == pytest.approx(1 / np.sqrt(256), rel=0.2)


def protected(key: TemplateKey, known: Gallery) -> Gallery:
    return replace(
        known, key_id=key.id,
        templates=replace(known.templates, embedding=key.protect(known.templates.embedding)),
        background=replace(known.background, embedding=key.protect(known.background.embedding)),
    )  # fmt: skip


def test_people_are_known_through_the_key_and_only_that() -> None:
    crowd = Crowd(np.random.default_rng(3), spread=0.05, scatter=0.05)
    people = {name: crowd.person() for name in ("anna", "bob")}
    known = protected(ONE, gallery(crowd, people))
    matcher = Matcher(known, ONE)
    for name, person in people.items():
        assert matcher.identify(crowd.walk(person)).best == name
    with pytest.raises(GalleryError, match="protected by another key.*remedy.*--key"):
        Matcher(known, OTHER)
    with pytest.raises(GalleryError, match=f"a key protects the gallery; expected key {ONE.id}"):
        Matcher(known)
    with pytest.raises(GalleryError, match="not protected by a key"):
        Matcher(gallery(crowd, people), ONE)


def test_key_files(tmp_path: Path) -> None:
    path = tmp_path / "key"
    key = new_key(path)
    assert read_key(path) == key
    assert path.stat().st_mode & 0o777 == 0o600
    assert key.secret.hex() not in repr(key) + key.id
    assert new_key(tmp_path / "second") != key
    with pytest.raises(GalleryError, match="exists already"):
        new_key(path)
    path.chmod(0o640)
    with pytest.raises(GalleryError, match="others can read this key.*chmod 600"):
        read_key(path)
    with pytest.raises(GalleryError, match="no key: No such file.*remedy radarid gallery key"):
        read_key(tmp_path / "none")
    for text in (b"", b"ab" * 31, b"ab" * 33, b"zz" * 32, b"\xff" * 64):
        path.chmod(0o600)
        path.write_bytes(text)
        with pytest.raises(GalleryError, match="not a key"):
            read_key(path)
