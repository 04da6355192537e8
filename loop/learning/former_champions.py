"""Which versions were champion before, as a tag of the registered model tells it."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence

from pydantic import TypeAdapter

from adloom.loop.learning.registered_model import RegisteredModel

TAG = "former_champions"
"""A JSON list of versions, newest last."""
_NUMBERS = TypeAdapter(list[int])

_log = logging.getLogger(__name__)


class FormerChampions:
    """Of one registered model; whoever may write in MLflow may have written anything there."""

    def __init__(self, model: RegisteredModel) -> None:
        self._model = model

    def read(self) -> list[int]:
        """Newest last. Raises ValueError where someone wrote something else into the tag."""
        return _NUMBERS.validate_json(self._model.tag(TAG) or "[]")

    def known(self) -> list[int]:
        """The same; none where nobody can tell."""
        try:
            return self.read()
        except ValueError:
            return []

    def add(self, number: int) -> None:
        """One more, the newest; a list that cannot be read is begun anew."""
        try:
            former = self.read()
        except ValueError:
            _log.warning("The tag %s could not be read: it is begun anew", TAG)
            former = []
        self.write([*former, number])

    def write(self, numbers: Sequence[int]) -> None:
        """These and no others, newest last."""
        self._model.set_tag(TAG, json.dumps(list(numbers)))
