"""Whether a base is one of the demo shop's."""

from __future__ import annotations

from pathlib import Path

from adloom.models.config import AdGeneratorConfig


def no_demo_base(folder: Path) -> str | None:
    """Why a saved base does not read and draw what the bundled one does; None where it does.

    Raises:
        FileNotFoundError: ``folder`` holds no saved generator.
        DamagedBase: it is not whole.
    """
    own, demo = AdGeneratorConfig.load(folder), AdGeneratorConfig()
    shown = {"sampling": demo.sampling, "enlarged": demo.enlarged}
    if own.model_copy(update=shown) == demo:
        return None
    return f"{folder} is no base of the demo shop; others learn by adloom base train"
