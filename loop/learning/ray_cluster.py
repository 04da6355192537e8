"""Ray: of this machine, started for a command, or a cluster's."""

from __future__ import annotations

import logging
import os
import socket
import warnings
from importlib import import_module
from typing import Any

from adloom.loop.settings.serving import RaySettings

_OBJECT_STORE_BYTES = 100 << 20  # neither requests nor weights pass through it

_PATIENCE_SECONDS = 10


class CannotScaleOut(RuntimeError):
    """Ray cannot be used as it was asked for; the message says what is missing."""


def installed_ray(part: str) -> Any:
    """The module ``ray``, with the ``part`` of it that is asked for.

    Raises:
        CannotScaleOut: it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        with warnings.catch_warnings(action="ignore"):
            import ray

            import_module(f"ray.{part}")
    except ImportError as error:
        raise CannotScaleOut("Ray is not installed: pip install 'adloom[ray]'") from error
    return ray


def join_ray(ray: Any, settings: RaySettings) -> None:
    """Connect to the cluster of the settings, or start Ray here.

    Raises:
        CannotScaleOut: there is no such cluster.
    """
    if settings.address is not None:
        _knock(settings.address)
    alone = {"include_dashboard": False, "object_store_memory": _OBJECT_STORE_BYTES}
    told = logging.getLogger("adloom").isEnabledFor(logging.INFO)
    try:
        ray.init(
            address=settings.address or "local",
            logging_level=logging.WARNING if told else logging.ERROR,
            log_to_driver=told,
            **(alone if settings.address is None else {}),
        )
    except ConnectionError as error:
        raise CannotScaleOut(f"ray.address: no Ray cluster at {settings.address}") from error


def _knock(address: str) -> None:
    """Ray itself tries for minutes where nothing listens, and says in many lines that it does."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdigit():
        return  # such as "auto"
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise CannotScaleOut(f"ray.address: no Ray cluster at {address}: {error}") from error
