"""Degraded clips by hand arithmetic: resolution, noise floor, hidden bands."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from capture.errors import ConfigError
from capture.schema import from_mapping
from radarid.learn.degrade import DegradeParams, degrade


def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def ramp(size: int = 4) -> torch.Tensor:
    """One clip whose rows are 0, 40, 80 ..."""
    rows = (40 * torch.arange(size)).to(torch.uint8)
    return rows[None, :, None].expand(1, size, size).contiguous()


def test_nothing_is_taken_by_default() -> None:
    images = ramp()
    assert not DegradeParams().enabled
    assert degrade(images, DegradeParams(), rng()) is images


def test_half_the_chirps_by_hand() -> None:
    # Pairs of rows 0, 40 and 80, 120 become 20 and 100; the centres of the four rows lie at
    # -1/4, 1/4, 3/4 and 5/4 of the coarse ones: 20, 20 + 80/4, 20 + 3 80/4, 100.
    image = ramp()
    assert degrade(image, DegradeParams(doppler=(2,)), rng())[0, :, 1].tolist() == [20, 40, 80, 100]
    nearest = degrade(image, DegradeParams(doppler=(2,), interp="nearest"), rng())
    assert nearest[0, :, 1].tolist() == [0, 0, 80, 80]
    turned = degrade(image.mT.contiguous(), DegradeParams(time=(2,)), rng())
    assert turned[0, 1].tolist() == [20, 40, 80, 100]
    assert torch.equal(degrade(image, DegradeParams(time=(2,)), rng()), image)


def test_each_clip_draws_its_own_resolution() -> None:
    images = ramp(8).repeat(400, 1, 1)
    params = DegradeParams(doppler=(1, 2, 4), interp="nearest")
    whole = [degrade(images[:1], DegradeParams(doppler=(k,), interp="nearest"), rng())[0]
             for k in (1, 2, 4)]  # fmt: skip
    found = degrade(images, params, rng())
    counts = [sum(torch.equal(clip, each) for clip in found) for each in whole]
    assert sum(counts) == 400
    assert all(abs(count - 400 / 3) < 4 * (400 * 2 / 9) ** 0.5 for count in counts)


def test_noise_has_the_power_it_is_given() -> None:
    # A black clip of 45 dB span with noise 20 dB above black: a mean power of 10^-2.5 of white.
    params = DegradeParams(noise_db=(20.0,))
    black = torch.zeros(4, 128, 128, dtype=torch.uint8)
    power = 10 ** ((degrade(black, params, rng()).double() / 255 - 1) * 4.5)
    # 65536 draws of an exponential: 0.4 % of standard error; rounding to 255 levels adds little.
    assert float(power.mean()) == pytest.approx(10**-2.5, rel=0.02)
    white = degrade(black + 255, params, rng())
    assert int(white.min()) == 255
    # At 32 / 45 of the span the noise of the black clip is 12 dB below: 10 log10(1 + e 10^-1.2).
    grey = degrade(torch.full_like(black, 181), params, rng()).double() / 255 * 45
    rise = 10 ** ((grey - 45 * 181 / 255) / 10)
    assert float(rise.mean()) == pytest.approx(1 + 10 ** ((20 - 45 * 181 / 255) / 10), rel=0.01)


def test_clips_without_noise_stay_as_they_are() -> None:
    images = torch.full((200, 8, 8), 3, dtype=torch.uint8)
    found = degrade(images, DegradeParams(noise_db=(0.0, 30.0)), rng())
    same = sum(torch.equal(clip, images[0]) for clip in found)
    assert 60 < same < 140  # half of 200, with 7.1 of standard deviation


def test_hidden_bands_have_their_width() -> None:
    images = torch.full((300, 40, 8), 9, dtype=torch.uint8)
    found = degrade(images, DegradeParams(n_bands=1, band_width=0.25), rng())
    hidden = (found == 0).all(dim=2)
    assert set(hidden.sum(1).tolist()) == {10}
    assert ((found == 0).any(dim=2) == hidden).all()
    assert all(int((row[1:] ^ row[:-1]).sum()) <= 2 for row in hidden)
    assert hidden.any(dim=0).all()
    two = (degrade(images, DegradeParams(n_bands=2, band_width=0.25), rng()) == 0).all(dim=2)
    assert set(two.sum(1).tolist()) <= set(range(10, 21))
    assert int(two.sum(1).max()) == 20


def test_planes_lose_the_same_places() -> None:
    one = torch.randint(0, 256, (5, 16, 16), dtype=torch.uint8)
    params = DegradeParams(doppler=(1, 2, 4), time=(1, 2), n_bands=1)
    found = degrade(one[:, None].repeat(1, 3, 1, 1), params, rng())
    assert found.shape == (5, 3, 16, 16)
    for plane in (1, 2):
        assert torch.equal(found[:, plane], found[:, 0])
    assert torch.equal(found[:, 0], degrade(one, params, rng()))


@pytest.mark.parametrize(
    "table", [{"doppler": [0]}, {"time": []}, {"noise_db": [-1.0]}, {"band_width": 1.0}]
)
def test_what_cannot_be_taken_is_refused(table: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(table))):
        from_mapping(DegradeParams, table)
