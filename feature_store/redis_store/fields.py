"""How the features of a view are named in a hash of Redis: Feast hashes the names."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import mmh3

from adloom.feature_store.backend import Row
from adloom.feature_store.layout import View


class Fields:
    """The fields of a view's features, or of some of them."""

    def __init__(self, view: View, features: Sequence[str] = ()) -> None:
        self._view = view
        self._features = list(features) or list(view.columns)
        self.names = [
            struct.pack("<I", mmh3.hash(f"{view.feast.name}:{view.columns[name]}", signed=False))
            for name in self._features
        ]
        self._by_feature = dict(zip(self._features, self.names, strict=True))
        self.stamp = f"_ts:{view.feast.name}".encode()

    @property
    def all(self) -> list[bytes]:
        """All fields that the view has in a hash."""
        return [self.stamp, *self.names]

    def only(self, features: Sequence[str]) -> Fields:
        """Some of the features."""
        return Fields(self._view, features)

    def row(self, values: Sequence[bytes | None]) -> Row:
        """What HMGET gave for `names`."""
        pairs = zip(self._features, values, strict=True)
        return {name: value for name, value in pairs if value is not None}

    def flat(self, row: Row, stamp: bytes) -> list[bytes]:
        """Field, value, field, value, ..."""
        flat = [self.stamp, stamp]
        for name, value in row.items():
            flat += (self._by_feature[name], value)
        return flat
