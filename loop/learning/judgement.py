"""What the gate found: how a new version compares with the champion, figure by figure."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Answer = Literal["better", "worse", "cannot_tell"]


class Finding(BaseModel):
    """One figure of both versions on what the gate alone has seen.

    What is not known is nan. ``answer`` goes by the interval and by what the gate's settings
    allow: a version that costs a little more, within what is allowed, is not worse.

    Attributes:
        name: of the figure, such as ``click_log_ratio`` or ``pbs``.
        champion: its figure.
        challenger: that of the new version.
        difference: the new version's less the champion's, by shopper where ads are a shopper's.
        low: lower end of the interval of the difference.
        high: its upper end.
    """

    # JSON has no word for what is not known: it is written as "NaN" and read again.
    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    name: str
    champion: float
    challenger: float
    difference: float
    low: float
    high: float
    answer: Answer


class GateVerdict(BaseModel):
    """What the gate says of a version, and from what.

    ``better``: what shoppers clicked tells that it is, and no finding is worse. ``worse``: one is.
    ``cannot_tell``: the clicks are too few for the difference that there may be.

    Attributes:
        answer: over all findings.
        findings: the deciding one first.
        clicks: clicked ads that were judged by.
        shoppers: how many shoppers have both a clicked ad and one they left among them.
        confidence: of every interval, 0..1.
    """

    model_config = ConfigDict(frozen=True)

    answer: Answer
    findings: tuple[Finding, ...]
    clicks: int = 0
    shoppers: int = 0
    confidence: float = 0.95


def answered(low: float, high: float) -> Answer:
    """What the interval of a gain says, where more is better."""
    if low > 0:
        return "better"
    return "worse" if high < 0 else "cannot_tell"
