"""The versions of a registry go back to one base: on another one they would draw something else."""

from __future__ import annotations

from pathlib import Path

from adloom.loop.learning.kept_adapters import UnfitVersion
from adloom.loop.learning.lineage_tags import BASE_FOLDER, BASE_NAME, BUNDLED
from adloom.loop.learning.registry import AdRegistry
from adloom.models.generates import Generates


class OtherBase(UnfitVersion):
    """Versions are of another base than the one at hand; the message names both."""


def base_tags(generator: Generates, folder: Path | None) -> dict[str, str]:
    """What a version says of its base; ``folder`` is where that lies, None for the bundled one."""
    return {
        BASE_NAME: generator.base_name,
        BASE_FOLDER: BUNDLED if folder is None else str(folder.resolve()),
    }


def refuse_other_base(registry: AdRegistry, generator: Generates, folder: Path | None) -> None:
    """Hold the base at hand, from ``folder``, against that of the registry's versions.

    Versions of before tell no base: it is then that of the first one that does.

    Raises:
        OtherBase: they are of another one.
        RegistryUnavailable, RegistryRefused: this cannot be told now.
    """
    theirs = next((v.tags for v in registry.versions() if BASE_NAME in v.tags), None)
    ours = base_tags(generator, folder)
    if theirs is None or theirs[BASE_NAME] == ours[BASE_NAME]:
        return
    told, here = (
        f"{tags.get(BASE_FOLDER, 'a base')} ({tags[BASE_NAME]})" for tags in (theirs, ours)
    )
    raise OtherBase(
        f"the registered versions are of {told}, not of {here}: set generator.path to the former, "
        "or mlflow.model_name to the model of the latter"
    )
