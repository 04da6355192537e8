"""All members of a group write to one feature store: each on a store of its own would count a part.

Members tell the group where they write when they join it, and who shares out the partitions gives
none to members that write elsewhere. These stay, and take over once the others are gone.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.protocol.consumer.metadata import (
    ConsumerProtocolAssignment,
    ConsumerProtocolSubscription,
)

from adloom.feature_store.naming import Name

_log = logging.getLogger(__name__)


class OneStoreAssignor(RangePartitionAssignor):
    """Partition 3 of every topic goes to the same member: it owns those users and shards."""

    def __init__(self, store: Callable[[], Name | None]) -> None:
        """``store`` names the one of this member; None where it cannot tell."""
        self._store = store
        self._own: Name | None = None
        self._elsewhere: Name | None = None

    @property
    def problem(self) -> str | None:
        """Why this member is given nothing to read."""
        own, elsewhere = self._own, self._elsewhere
        if own is None or elsewhere is None:
            return None
        return (
            f"its group writes to another feature store ({elsewhere.told}; here: {own.told}), so "
            "it reads nothing: give all members of a group the same [features] and [log], or this "
            "one a kafka.group_id of its own"
        )

    def metadata(self, topics: Sequence[str]) -> Any:
        """What this member tells when it joins."""
        self._own = self._store() or self._own
        return ConsumerProtocolSubscription(self.version, list(topics), _sent(self._own))

    def assign(self, cluster: Any, members: Sequence[Any]) -> dict[str, Any]:
        """Shares the partitions among the members on the store that most are on."""
        stores = {member.member_id: _told(member.metadata) for member in members}
        told = [name for name in (*stores.values(), self._own) if name is not None]
        # With the own once more: of as many it goes on, since who shares out came first.
        counts = Counter(name.key for name in told)
        chosen = max(told, key=lambda name: counts[name.key], default=None)
        readers = [
            member
            for member in members
            if (name := stores[member.member_id]) is None or chosen is None or name[0] == chosen.key
        ]
        nothing = ConsumerProtocolAssignment(self.version, [], _sent(chosen))
        shares: dict[str, Any] = super().assign(cluster, readers)
        return dict.fromkeys(stores, nothing) | shares

    def on_assignment(self, assignment: Any, generation: int) -> None:
        """Notes whether it was left out."""
        before, self._elsewhere = self._elsewhere, _told(assignment)
        if self._elsewhere != before and (problem := self.problem):
            _log.warning("not ready: %s", problem)


def _sent(name: Name | None) -> bytes:
    return b"" if name is None else "\n".join(name).encode()


def _told(message: Any) -> Name | None:
    key, _, told = bytes(message.user_data or b"").decode(errors="replace").partition("\n")
    return Name(key, told) if key else None
