"""Which arm a user is in: a salted hash of the user id, so that it is the same everywhere."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

from pydantic import JsonValue

_FIXED = 0


@dataclass(frozen=True)
class Allocation:
    """The shares in force.

    Attributes:
        shares: probability of each arm, adding up to 1.
        batch: users are dealt anew when this changes; 0 under fixed shares.
    """

    shares: Mapping[str, float]
    batch: int = _FIXED


@dataclass(frozen=True)
class Assignment:
    """A user's arm, and with which probability it was drawn among which.

    Of what a ``caller`` assigned the allocation knows this arm alone.
    """

    experiment: str
    variant: str
    allocation: Allocation
    by: Literal["adloom", "caller"] = "adloom"

    @property
    def propensity(self) -> float:
        return self.allocation.shares[self.variant]

    def context(self) -> dict[str, JsonValue]:
        """What an exposure's event says beside variant and propensity."""
        if self.by == "caller":
            return {"experiment": self.experiment, "assigned_by": self.by}
        return {
            "experiment": self.experiment,
            "batch": self.allocation.batch,
            "propensities": dict(self.allocation.shares),
        }


def assign(experiment: str, salt: str, user_id: str, allocation: Allocation) -> Assignment:
    """Deal a user into an arm; the same arguments give the same arm in every process.

    The point on [0, 1) is fresh in every batch: it is independent of the clicks that the
    batch's shares were made from, so the propensities hold exactly.
    """
    point = _point(f"{salt}/{allocation.batch}/{user_id}")
    arms = list(allocation.shares)
    ends = list(accumulate(allocation.shares.values()))
    # The last end may be a rounding error short of 1.
    return Assignment(experiment, arms[min(bisect_right(ends, point), len(arms) - 1)], allocation)


def _point(key: str) -> float:
    digest = hashlib.blake2b(key.encode(), digest_size=8).digest()
    return (int.from_bytes(digest) >> 11) / (1 << 53)
