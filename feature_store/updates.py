"""A batch of events into the online features, once each.

Three tables are written, one after the other: item counts, user histories, user counts. A crash
may come between any two. When the batch is played again, each row knows by its progress which
events it has. The memory of event ids, which tells a producer's duplicate, is written last: as
long as an event may still be missing in some table, that memory is as it was, and gives the same
answer again.
"""

from __future__ import annotations

from collections.abc import Sequence

from feature_store.event_log import LoggedEvent
from feature_store.online import Key, OnlineTable
from feature_store.rows import CountsRow, HistoryRow, UserRow


class Updates:
    """Applies batches to the three tables."""

    def __init__(
        self,
        histories: OnlineTable[HistoryRow],
        users: OnlineTable[UserRow],
        items: OnlineTable[CountsRow],
        history_length: int,
    ) -> None:
        self._histories = histories
        self._users = users
        self._items = items
        self._history_length = history_length

    def apply(self, events: Sequence[LoggedEvent]) -> int:
        """Reads each table once, writes each once. Returns the number of rows written."""
        users = self._users.read(_user(event) for event in events)
        histories = self._histories.read(_user(event) for event in events if _is_click(event))
        items = self._items.read(_item(event) for event in events)
        for event in sorted(events, key=_place):
            user = users[_user(event)]
            if user.progress.has(event):
                continue  # this table is written last: the others have the event as well
            user.progress.note(event)
            is_new = user.is_new(event)
            if is_new:
                user.counts.count(event)
            _count(items[_item(event)], event, is_new)
            if _is_click(event):
                self._remember(histories[_user(event)], event, is_new)
        self._items.write(items)
        self._histories.write(histories)
        self._users.write(users)
        return len(items) + len(histories) + len(users)

    def _remember(self, history: HistoryRow, click: LoggedEvent, is_new: bool) -> None:
        if is_new and not history.progress.has(click):
            history.add(click, self._history_length)
        history.progress.note(click)


def _count(item: CountsRow, event: LoggedEvent, is_new: bool) -> None:
    if is_new and not item.progress.has(event):
        item.count(event)
    item.progress.note(event)


def _place(event: LoggedEvent) -> tuple[str, int, int]:
    return (event.topic, event.partition, event.offset)


def _is_click(event: LoggedEvent) -> bool:
    return event.kind == "click"


def _user(event: LoggedEvent) -> Key:
    return (event.user_id,)


def _item(event: LoggedEvent) -> Key:
    return (event.item_id, event.partition)
