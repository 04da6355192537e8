"""What an arm still lacks before anything is decided by it, in words."""

from __future__ import annotations

from adloom.loop.experiments.lifts import FEWEST_USERS


def lacking(arm: str, users: float, done: int, fewest: int, what: str) -> str | None:
    """What the arm has too little of; None where it has enough.

    Args:
        arm: as it is named in the sentence.
        users: of equal weight.
        done: how many there are of `what`, of which it takes the `fewest`.
    """
    missing = []
    if users < FEWEST_USERS:
        missing.append(f"{int(users)} of the {FEWEST_USERS} users of equal weight that it takes")
    if done < fewest:
        missing.append(f"{done} of the {fewest} {what} that it takes")
    return f"{arm} has {' and '.join(missing)}" if missing else None
