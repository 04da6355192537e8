"""The judgement that a version carries: what the gate found, and how that is spread.

By category and by language it is for reading only: among twenty groups that are alike one differs
by chance.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from adloom.loop.learning.judgement import GateVerdict

JUDGEMENT_FILE = "judgement.json"


class Measured(BaseModel):
    """A mean and its interval by shopper; nan and infinite where too few are there to tell."""

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    mean: float
    low: float
    high: float


class Compared(BaseModel):
    """A figure of both versions on the same ads, ``n`` of them."""

    model_config = ConfigDict(frozen=True)

    n: int
    champion: Measured
    challenger: Measured
    difference: Measured


class Group(BaseModel):
    """Judged clicks that have something in common.

    Attributes:
        by: what they have in common.
        name: the category or language; empty for all.
        clicks: how many.
        shoppers: of how many.
        heldout_loss: on all of them, nats a token.
        pbs: of the ads drawn for some of them; None where there are none.
    """

    model_config = ConfigDict(frozen=True)

    by: Literal["all", "category", "language"]
    name: str
    clicks: int
    shoppers: int
    heldout_loss: Compared
    pbs: Compared | None = None


class Judgement(GateVerdict):
    """What the gate found, and the groups: all clicks, then by category and by language."""

    groups: tuple[Group, ...] = ()
