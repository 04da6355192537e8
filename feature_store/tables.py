"""The views of one online store, as tables of their rows."""

from __future__ import annotations

from collections.abc import Mapping

from adloom.feature_store.backend import OnlineBackend
from adloom.feature_store.known_events import PageRow
from adloom.feature_store.online import OnlineTable
from adloom.feature_store.progress import ProgressRow
from adloom.feature_store.rows import CountsRow, HistoryRow, ImpressionsRow
from adloom.feature_store.user_row import UserRow


class Tables:
    """One table for each view that the stream writes."""

    def __init__(self, backend: OnlineBackend) -> None:
        self.histories = OnlineTable(backend, "user_history", HistoryRow)
        self.impressions = OnlineTable(backend, "user_impressions", ImpressionsRow)
        self.users = OnlineTable(backend, "user_stats", UserRow)
        self.pages = OnlineTable(backend, "user_events", PageRow)
        self.items = OnlineTable(backend, "item_stats", CountsRow)
        self.partitions = OnlineTable(backend, "stream_progress", ProgressRow)

    def pages_of(self, users: Mapping[str, UserRow]) -> dict[str, list[PageRow]]:
        """All pages of these users, in order. Raises StoreUnavailable."""
        numbers = {name: range(row.events.pages) for name, row in users.items()}
        found = self.pages.read((page, name) for name, pages in numbers.items() for page in pages)
        return {name: [found[page, name] for page in pages] for name, pages in numbers.items()}
