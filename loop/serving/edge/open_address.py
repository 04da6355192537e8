"""Whether a server may answer at an address, told before anything is loaded."""

from __future__ import annotations

from adloom.loop.serving.edge.addresses import is_loopback
from adloom.loop.settings.serving import ServeSettings


class OpenToAnyone(RuntimeError):
    """The server would answer other machines and has no keys to ask for."""


def refuse_open_address(settings: ServeSettings, host: str) -> None:
    """Raises OpenToAnyone for an address that others reach while there are no keys."""
    if not (settings.key_needed or is_loopback(host)):
        raise OpenToAnyone(
            f"serve.api_keys: others reach {host}, so a key is needed "
            """(ADLOOM_SERVE__API_KEYS='["a-key-of-16-or-more"]')"""
        )
