"""What a picture looks like in few bytes, so that one that is nearly the same is known again.

Colours of a small copy, in CIE Lab: what stays of a picture that was encoded anew, scaled, or
changed in a detail, and differs where scene or colours do.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage.color import rgb2lab

_SIDE = 16
PIXELS = _SIDE * _SIDE

Fingerprint = NDArray[np.int8]
"""Int8, shape (256, 3): L, a and b of a picture of 16 x 16."""


def fingerprint(picture: Image.Image) -> Fingerprint:
    """Of a picture of any size and mode."""
    small = picture.convert("RGB").resize((_SIDE, _SIDE), Image.Resampling.BOX)
    lab = rgb2lab(np.asarray(small, np.float32) / 255)
    return np.rint(lab).clip(-128, 127).astype(np.int8).reshape(-1, 3)


def difference(one: Fingerprint, others: Fingerprint) -> NDArray[np.float32]:
    """How far a picture is from others, shape (n, 256, 3): the mean difference in colour, (n,)."""
    apart = others.astype(np.float32) - one.astype(np.float32)
    return np.linalg.norm(apart, axis=2).mean(axis=1).astype(np.float32)
