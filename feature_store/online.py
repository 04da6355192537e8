"""Rows of one feature view in the online store: many in one read, many in one write.

This is the level below `FeatureStore.push` and `get_online_features` of Feast: the same rows in
the same tables, without a data frame on the way.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Generic, Protocol, Self, TypeVar

from feast import FeatureView
from feast.infra.provider import Provider
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.repo_config import RepoConfig

from feature_store.rows import Values

_KEYS_OF_ONE_READ = 5_000  # SQLite takes 32,766 variables in a statement

Key = tuple[str] | tuple[str, int]


class Row(Protocol):
    """What a table holds: it starts empty and can be told as Feast values."""

    def __init__(self) -> None: ...

    @classmethod
    def from_values(cls, values: Values) -> Self: ...

    def to_values(self) -> dict[str, Value]: ...


R = TypeVar("R", bound=Row)


class OnlineTable(Generic[R]):
    """One view's rows by key: the values of its entities, in the order of the view."""

    def __init__(
        self,
        provider: Provider,
        config: RepoConfig,
        lock: threading.Lock,
        view: FeatureView,
        row_type: type[R],
    ) -> None:
        self._provider = provider
        self._config = config
        self._view = view
        self._row_type = row_type
        self._lock = lock

    def read(self, keys: Iterable[Key]) -> dict[Key, R]:
        """The rows of all keys; an empty row for a key that has none."""
        wanted = list(dict.fromkeys(keys))
        rows: dict[Key, R] = {}
        for start in range(0, len(wanted), _KEYS_OF_ONE_READ):
            part = wanted[start : start + _KEYS_OF_ONE_READ]
            with self._lock:
                found = self._provider.online_read(
                    self._config, self._view, [self._entity_key(key) for key in part]
                )
            for key, (_, values) in zip(part, found, strict=True):
                rows[key] = self._row_type.from_values(values) if values else self._row_type()
        return rows

    def write(self, rows: Mapping[Key, R]) -> None:
        """Replaces the rows. SQLite takes all or none of them; Redis takes each whole."""
        now = datetime.now(UTC)
        data: list[tuple[EntityKey, dict[str, Value], datetime, datetime | None]] = [
            (self._entity_key(key), row.to_values(), now, None) for key, row in rows.items()
        ]
        if data:
            with self._lock:
                self._provider.online_write_batch(self._config, self._view, data, None)

    def _entity_key(self, key: Key) -> EntityKey:
        values = [Value(string_val=key[0])]
        if len(key) == 2:
            values.append(Value(int64_val=key[1]))
        return EntityKey(join_keys=self._view.join_keys, entity_values=values)
