"""Shoppers who ask for ads and click them, whatever is killed meanwhile."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.deployment.gate import Answered, Gate
from tests.deployment.shop import Shop, until

PRODUCT = "running-shoes"
_PAUSE_SECONDS = 0.1


@dataclass(frozen=True)
class Shown:
    """An ad that was answered, by which life of which server."""

    ad_id: str
    user: str
    title: str
    picture_url: str
    server: str
    life: int


class Shoppers:
    """What they were shown, and clicked.

    Attributes:
        sent: users by ids of clicks that were sent.
        acknowledged: ids of clicks that were answered by 202.
    """

    def __init__(self, shop: Shop) -> None:
        self.gate = Gate(shop)
        self.shown: list[Shown] = []
        self.sent: dict[str, str] = {}
        self.acknowledged: set[str] = set()
        self._ended = threading.Event()
        self._shoppers: list[Future[None]] = []

    @contextmanager
    def shopping(self, many: int, name: str) -> Iterator[None]:
        """So many of them for as long as the block."""
        self._ended.clear()
        with ThreadPoolExecutor(many) as pool:
            self._shoppers = [pool.submit(self._shop_on, f"{name}-{n}") for n in range(many)]
            try:
                yield
            finally:
                self._ended.set()
        for one in self._shoppers:
            one.result()

    def until_more_ads(self, many: int) -> None:
        wanted = len(self.shown) + many
        until(lambda: len(self.shown) >= wanted, self._go_on)

    def until_each_clicked(self) -> None:
        """Every shopper, at least once."""
        many = len(self._shoppers)
        until(lambda: len({self.sent[name] for name in self.acknowledged.copy()}) == many)

    def until_more_answers(self, many: int) -> None:
        """Ads or refusals."""
        wanted = self.gate.answers.total() + many
        until(lambda: self.gate.answers.total() >= wanted, self._go_on)

    def _go_on(self) -> bool | str:
        ended = [one for one in self._shoppers if one.done()]
        return f"{ended[0].exception()!r}" if ended else True

    def _shop_on(self, user: str) -> None:
        while not self._ended.is_set():
            if (ad := self._ad(user)) is not None:
                self.shown.append(ad)
                self._click(ad)

    def _ad(self, user: str) -> Shown | None:
        asked = self._until_answered("/v1/ads", {"user_id": user, "product_id": PRODUCT})
        if asked is None:
            return None
        told = asked.answer.json()
        names = "ad_id", "title", "picture_url"
        return Shown(
            user=user,
            server=asked.server,
            life=asked.life,
            **{name: told[name] for name in names},
        )

    def _click(self, ad: Shown) -> None:
        event = {
            "event_id": uuid.uuid4().hex,
            "ts": datetime.now(UTC).isoformat(),
            "user_id": ad.user,
            "item_id": PRODUCT,
            "ad_id": ad.ad_id,
        }
        self.sent[event["event_id"]] = ad.user
        if self._until_answered("/v1/events", {"clicks": [event]}) is not None:
            self.acknowledged.add(event["event_id"])

    def _until_answered(self, path: str, body: dict[str, Any]) -> Answered | None:
        """The same request again and again, as a page that is not sure; None at the end."""
        key = {"Idempotency-Key": uuid.uuid4().hex}
        while (found := self.gate.ask("POST", path, json=body, headers=key)) is None:
            if self._ended.is_set():
                return None
            time.sleep(_PAUSE_SECONDS)
        return found
