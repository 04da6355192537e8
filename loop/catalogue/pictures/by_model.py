"""Cutouts by a model (rembg), for pictures whose ground is not plain."""

from __future__ import annotations

import functools
import importlib
import threading
from typing import Any

from PIL import Image

_MODEL = "isnet-general-use"
_one_at_a_time = threading.Lock()  # the model takes all cores, and is loaded once


class MissingExtra(RuntimeError):
    """The model is not installed; the message says what to install."""


def by_model(picture: Image.Image) -> Image.Image:
    """The same picture with the ground transparent: RGBA.

    The first call loads the weights, and has rembg download them where they are not there yet.

    Raises MissingExtra.
    """
    rembg = _rembg()
    with _one_at_a_time:
        return rembg.remove(picture, session=_session()).convert("RGBA")


def _rembg() -> Any:
    try:
        importlib.import_module("onnxruntime")  # without it rembg ends the process
        return importlib.import_module("rembg")
    except ImportError as error:
        raise MissingExtra(
            "[catalog] cutout is 'rembg', which is not installed: pip install 'adloom[cutout]'"
        ) from error


@functools.cache
def _session() -> Any:
    return _rembg().new_session(_MODEL)
