"""The Python packages that the settings ask for, and their versions."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from functools import partial
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement

from adloom.loop.doctor.finding import Check, Finding, judged
from adloom.loop.settings import Settings
from adloom.loop.settings.pictures import PackageMissing, package_of, scheme_of

_DISTRIBUTION = "adloom"


def packages_check(settings: Settings) -> Check:
    """Of this installation."""
    return Check(
        "packages", "this Python", "the installation", partial(_look, wanted_extras(settings))
    )


def wanted_extras(settings: Settings) -> dict[str, str]:
    """The extras of adloom that the settings need, and which setting asks for each."""
    pictures = settings.pictures.url
    asked = {
        "local": ("kafka.bootstrap_servers, which is not set", settings.kafka.bootstrap_servers),
        "postgres": ("database.url", not settings.database.url),
        "s3": ("pictures.url", not (pictures and scheme_of(pictures) == "s3")),
        "registry": ("kafka.registry.url", not settings.kafka.registry.url),
        "cutout": ("catalog.cutout", settings.catalog.cutout != "rembg"),
        "ray": ("ray.address", not settings.ray.address),
        "otel": ("OTEL_EXPORTER_OTLP_ENDPOINT", not os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")),
    }
    extras = {extra: why for extra, (why, unwanted) in asked.items() if not unwanted}
    if pictures and scheme_of(pictures) not in ("s3", "file"):
        try:
            package_of(scheme_of(pictures))
        except PackageMissing as error:
            extras[""] = str(error)
    return extras


def _look(extras: dict[str, str]) -> Iterator[Finding]:
    wrong = [extras[""]] if "" in extras else []
    needed = [Requirement(line) for line in requires(_DISTRIBUTION) or ()]
    known = 0
    for extra in ("", *(name for name in extras if name)):
        for one in needed:
            if one.marker is not None and not one.marker.evaluate({"extra": extra}):
                continue
            if one.marker is None and extra:
                continue
            known += 1
            if (problem := _problem(one)) is not None:
                how = f"'{_DISTRIBUTION}[{extra}]'" if extra else _DISTRIBUTION
                why = f"{extras[extra]} needs " if extra else ""
                wrong.append(f"{why}{problem}: pip install --upgrade {how}")
    named = ", ".join(extra for extra in extras if extra) or "none"
    python = f"Python {platform.python_version()} at {sys.executable}"
    looked_at = f"adloom {version(_DISTRIBUTION)}, {python}, {known} packages; extras: {named}"
    yield judged("packages", looked_at, wrong, [])


def _problem(needed: Requirement) -> str | None:
    try:
        found = version(needed.name)
    except PackageNotFoundError:
        return f"{needed.name}, which is not installed"
    if needed.specifier.contains(found, prereleases=True):
        return None
    return f"{needed.name} {needed.specifier}, and {found} is installed"
