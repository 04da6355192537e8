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
    # How it draws and shows is not what it reads and draws.
    how = ("sampling", "enlarged", "guidance")
    shown = {name: getattr(demo, name) for name in how}
    if own.model_copy(update=shown) == demo:
        return None
    return f"{folder} is no base of the demo shop; others learn by adloom base train"


def no_twin_base(folder: Path) -> str | None:
    """Why a saved base cannot learn by what its twins draw; None where it can.

    Raises:
        FileNotFoundError: ``folder`` holds no saved generator.
        DamagedBase: it is not whole.
    """
    if AdGeneratorConfig.load(folder).guidance == "twin":
        return None
    return f"{folder} has learnt its guidance: let the base that it came from learn, then --guide"
