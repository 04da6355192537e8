"""What one shopper may have of the clicks that all others' ads are drawn after.

A shopper who clicks all day, a script, or one whom a page counts twice would else be most of what
a round learns from. The bound is by user id: someone with many of them is not seen here, and is
held off where ids are given out and requests counted (API keys, rates).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Protocol, TypeVar

import numpy as np

_FEW = 4
"""So many clicks of a shopper count in the smallest round."""
_ABOVE_EVEN = 1.5
"""Where shoppers are few, each may have half as much again as an even share."""
_LOOKED_AT = 2
"""Held-out clicks are found among so many times as many of the newest, and the rest is kept."""

T = TypeVar("T")
Clicked = TypeVar("Clicked", bound="_OfUser")


class _OfUser(Protocol):
    @property
    def user_id(self) -> str: ...


def share_of_one(users: int, share: float) -> float:
    """What one of so many users may have at most, 0..1.

    That is ``share``; with few users, one and a half times an even share, or else no set of
    their clicks could hold it.
    """
    return min(1.0, max(share, _ABOVE_EVEN / max(1, users)))


def most_of_one(counts: Collection[int], share: float) -> int:
    """How many clicks a user may have, so that no user has more than a share of what is left.

    At least four, so that a small round has something to learn from.

    Args:
        counts: the clicks of each user, every one above 0.
        share: as for `share_of_one`.
    """
    each, of_one = np.asarray(list(counts), dtype=np.int64), share_of_one(len(counts), share)

    def is_too_many(most: int) -> bool:
        # What is left grows ever more slowly with `most`: too many once is too many beyond.
        return most > of_one * int(np.minimum(each, most).sum())

    largest = int(each.max(initial=0))
    return max(_FEW, bisect_left(range(1, largest + 1), True, key=is_too_many))


def fair(clicks: Sequence[Clicked], share: float, *, newest: int | None = None) -> list[Clicked]:
    """Clicks of which no user has more than a share, in their order.

    Of a user who has more, those that are kept are spread evenly over all that the user clicked.

    Args:
        clicks: oldest first.
        share: see `share_of_one` and `most_of_one`.
        newest: how many are wanted at most, the newest; None = all. One user's many do not push
            the others' out of these.
    """
    if newest is not None:
        of_one = int(share_of_one(len(_users(clicks)), share) * newest)
        clicks = _newest_of_each(clicks, max(_FEW, of_one), _user)
        clicks = clicks[max(0, len(clicks) - newest) :]
    counts = Counter(map(_user, clicks))
    if not counts:
        return []
    most = most_of_one(counts.values(), share)
    kept = {
        user: set(np.linspace(0, count - 1, most).round().astype(int).tolist())
        for user, count in counts.items()
        if count > most
    }
    seen: Counter[str] = Counter()
    chosen = []
    for click in clicks:
        user = click.user_id
        if user not in kept or seen[user] in kept[user]:
            chosen.append(click)
        seen[user] += 1
    return chosen


def newest_of_many(clicks: Sequence[Clicked], wanted: int, share: float) -> list[Clicked]:
    """The newest clicks of many users, in their order: none has more than a share of ``wanted``.

    They are fewer than wanted where the newest come from few users: it is not looked further
    back than twice as many, and one is always left, since what is older is to be learnt from.
    """
    most = max(1, int(share_of_one(len(_users(clicks)), share) * wanted))
    looked_at = min(_LOOKED_AT * wanted, len(clicks) - 1)
    found = _newest_of_each(clicks[len(clicks) - looked_at :], most, _user)
    return found[max(0, len(found) - wanted) :]


def fair_pairs(
    pairs: Sequence[tuple[Clicked, Clicked]], share: float
) -> list[tuple[Clicked, Clicked]]:
    """Pairs of what was clicked and what was left, in their order, the newest of each user.

    What a user left is held against no more than a share of the clicks, that user's or others'.
    """
    users = _users([clicked for clicked, _ in pairs])
    most = max(_FEW, int(share_of_one(len(users), share) * len(pairs)))
    return _newest_of_each(pairs, most, lambda pair: pair[1].user_id)


def _users(clicks: Sequence[Clicked]) -> set[str]:
    return {click.user_id for click in clicks}


def _user(click: _OfUser) -> str:
    return click.user_id


def _newest_of_each(clicks: Sequence[T], most: int, user: Callable[[T], str]) -> list[T]:
    counts: Counter[str] = Counter()
    kept = []
    for click in reversed(clicks):
        counts[user(click)] += 1
        if counts[user(click)] <= most:
            kept.append(click)
    return kept[::-1]
