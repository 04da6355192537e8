"""Requests that are sent again, since their answer was lost: they get the ad they got first."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from typing import Any

from fastapi import Header

from adloom.loop.serving.http.bodies import AdWanted

_SEEDS = 2**31
_ADS = uuid.UUID("6c2c5b0c-7d0e-5f3c-9a55-0d8b6a1f2f10")  # the space that their ids are names in

IDEMPOTENCY_KEY: Any = Header(
    alias="Idempotency-Key",
    min_length=8,
    max_length=128,
    pattern=r"^[!-~]+$",
    description="one a request, kept when it is sent again: then it gets the same ad",
)


def named_by(key: str | None, wanted: AdWanted) -> tuple[int, str | None]:
    """The seed of an ad, and its id where a key names it.

    The id is of this shopper, product and seed alone, and of who draws it: a key that is sent with
    another request names another ad.
    """
    if key is None:
        return secrets.randbelow(_SEEDS) if wanted.seed is None else wanted.seed, None
    asked = "\n".join((key, wanted.user_id, wanted.product_id, str(wanted.seed), *_by(wanted)))
    digest = hashlib.sha256(asked.encode(errors="surrogatepass")).digest()
    drawn = int.from_bytes(digest[:4]) % _SEEDS
    return drawn if wanted.seed is None else wanted.seed, str(uuid.uuid5(_ADS, digest.hex()))


def _by(wanted: AdWanted) -> list[str]:
    assigned = wanted.assignment
    arm = [] if assigned is None else [assigned.experiment, assigned.variant]
    return [*arm, *([] if wanted.personalise else ["anyone"])]
