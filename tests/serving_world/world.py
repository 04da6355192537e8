"""A home, an MLflow server and a running ad server, and what must hold of them at any moment."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from typing import Any

import httpx

from adloom.loop import home
from adloom.loop.settings import Settings
from tests.serving_world.clients import HANGING
from tests.serving_world.files import Database, OnlineStore, cut_off_kept_adapters
from tests.serving_world.registered import BASE, Registered
from tests.serving_world.served import ServedApp
from tests.serving_world.telling import agree, down, failed, serves
from tests.tcp_gate import State, TcpGate

_PATIENCE_SECONDS = 90.0
_NEEDED = {"database"}
_PASSWORD = "MLFLOW_TRACKING_PASSWORD"
_MEND = Callable[[], object]


class ServingWorld:
    """Whatever is done to it, one method each; every one looks whether the server tells the truth.

    What serves is one of ``possible``: the version that served when it was known last, and the
    good ones that the alias has named since.
    """

    def __init__(
        self,
        settings: Settings,
        registered: Registered,
        mlflow: TcpGate,
        store: TcpGate | None = None,
    ) -> None:
        self.settings = settings
        self.registered = registered
        self._mlflow = mlflow
        self._store = store
        self._ill: dict[str, _MEND] = {}  # parts, and what mends each
        self._hanging: list[socket.socket] = []
        self._accepted: list[str] = []
        self._seed = 0
        self._ads: list[tuple[int, str, str]] = []  # seed, id and picture
        self.possible = {BASE}
        self.served = ServedApp(settings)
        self._failed_before = failed(self.served.metrics())

    def close(self) -> None:
        """Mends all, and sees that nothing that was accepted is lost."""
        try:
            self.settle()
            self._end()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Ends the server, whatever was found wrong."""
        self.let_go()
        for mend in self._ill.values():
            mend()
        self._ill.clear()
        self.served.close()
        self.registered.close()

    # -- what anybody may do ------------------------------------------------------------------

    def look(self) -> None:
        """The invariants that hold at every moment."""
        self.served.health()
        status, told = self.served.ready()
        assert (status == 200) == (told["status"] != "not ready"), told
        assert "thread ended" not in told.get("problem", ""), told
        assert failed(self.served.metrics()) == self._failed_before
        self._checked(told["version"])
        missing = self._ill.keys() & _NEEDED
        assert missing or status == 200, told

    def ask(self) -> None:
        self._seed += 1
        answer = self.served.ad(self._seed)
        if answer.status_code == 200:
            told = answer.json()
            self._checked(told["model_version"])
            digest = told["picture_url"].rpartition("/")[2].removesuffix(".webp")
            self._ads.append((self._seed, told["ad_id"], digest))
        else:
            _told_in_words(answer, 503)
            assert self._ill.keys() & _NEEDED, answer.text

    def click(self) -> None:
        """What is answered by 202 is kept until the end."""
        ad_id = self._ads[-1][1] if self._ads else "ad"
        event_id, answer = self.served.click(ad_id)
        if answer.status_code == 202:
            self._accepted.append(event_id)
        else:
            _told_in_words(answer, 503)

    # -- versions and aliases -----------------------------------------------------------------

    def point_at(self, number: int, *, wait: bool) -> None:
        self.registered.point_at(number)
        self._moved()
        if wait:
            self.until_followed()

    def drop_alias(self) -> None:
        self.registered.drop_alias()

    def delete(self, number: int) -> None:
        self.registered.delete(number)

    def promote(self, number: int) -> None:
        self._steered(self.served.studio("promote", version=number))

    def roll_back(self) -> None:
        self._steered(self.served.studio("rollback"))

    # -- parts go and come back ---------------------------------------------------------------

    def take_mlflow(self, state: State) -> None:
        self._mlflow.set(state)
        self._fall_ill("registry", lambda: self._mlflow.set("open"))

    def take_login(self) -> None:
        whole = os.environ[_PASSWORD]
        os.environ[_PASSWORD] = "another one"
        self._fall_ill("registry", lambda: os.environ.update({_PASSWORD: whole}))

    def take_broker(self, state: State) -> None:
        broker = self.served.broker
        broker.gate.set(state)
        self._fall_ill("events", lambda: broker.gate.set("open"))

    def damage_features(self, how: str) -> None:
        store = OnlineStore(self.settings)
        store.damage(how)
        self._fall_ill("features", store.mend)

    def take_features(self, state: State) -> None:
        store = self._store
        assert store is not None
        store.set(state)
        self._fall_ill("features", lambda: store.set("open"))

    def damage_database(self, how: str) -> None:
        database = Database(self.settings)
        database.damage(how)
        self._fall_ill("database", database.mend)

    def damage_kept_adapters(self) -> None:
        """Fetched anew by who needs them."""
        cut_off_kept_adapters(self.settings)

    def damage_picture(self) -> None:
        """Never shown as it is; the same ad, drawn again, mends it."""
        seed, _, digest = self._ads[-1]
        path = next(self.settings.home.rglob(f"{digest}.webp"))
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        answer = self.served.picture(digest)
        assert answer.status_code == 404 or answer.content == whole, answer.status_code
        again = self.served.ad(seed)
        if again.status_code == 200 and digest in again.json()["picture_url"]:
            assert self.served.picture(digest).content == whole
        else:
            path.write_bytes(whole)

    def hang(self, how: str) -> None:
        self._hanging += HANGING[how](self.served.port)
        self.served.health()

    def let_go(self) -> None:
        for client in self._hanging:
            client.close()
        self._hanging.clear()

    @property
    def has_drawn(self) -> bool:
        return bool(self._ads)

    @property
    def ill(self) -> set[str]:
        """Parts that are away or damaged."""
        return set(self._ill)

    def mend(self, part: str) -> None:
        """And it is not told any more."""
        self._ill.pop(part)()
        if part != "registry":
            self._until(lambda told: part not in told, f"{part} is mended")

    def settle(self) -> None:
        """All is mended, and what serves is what the alias names, if that can serve."""
        self.let_go()
        for part in sorted(self._ill):
            self.mend(part)
        self.until_followed()
        allowed = set() if self._named_is_good() else {"registry"}
        self._until(lambda told: told.keys() <= allowed, f"at most {allowed} is told")
        self.ask()

    def restart(self) -> None:
        """The registry may be away; what the server needs for its events is not."""
        for part in sorted(self._ill.keys() - {"registry"}):
            self.mend(part)
        self._end()
        self.served = ServedApp(self.settings)
        self.registered.meet_new()
        self.possible |= self.registered.good
        if "registry" in self._ill:
            self._until(lambda told: "registry" in told, "registry is away")

    def until_followed(self) -> None:
        """What serves is what the alias names, or it is told that it is not."""
        if "registry" in self._ill:
            return
        named = self.registered.champion
        if self._named_is_good():
            self._until(lambda told: "registry" not in told, f"{named} is followed", named)
            self.possible = {named} if named is not None else set()
        else:
            self._until(lambda told: "registry" in told, f"{named} is not followed")

    # -- what is seen -------------------------------------------------------------------------

    def _checked(self, version: str) -> None:
        assert int(version) in self.possible, (version, self.possible)

    def _named_is_good(self) -> bool:
        named = self.registered.champion
        return named is not None and self.registered.versions[named] is None

    def _moved(self) -> None:
        if self._named_is_good():
            self.possible.add(self.registered.champion or BASE)

    def _steered(self, answer: httpx.Response) -> None:
        """Promoted or rolled back over HTTP."""
        self._moved()
        if answer.status_code != 200:
            _told_in_words(answer, 404, 409, *([403, 503] if "registry" in self._ill else []))

    def _fall_ill(self, part: str, mend: _MEND) -> None:
        """And it is told."""
        self._ill[part] = mend
        self._until(lambda told: part in told, f"{part} is ill")

    def _until(
        self, so: Callable[[dict[str, str]], bool], what: str, version: int | None = None
    ) -> None:
        """It is so in metrics, asked alone, and in `/readyz`; and that version serves."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            metrics = self.served.metrics()
            ill = down(metrics)
            told: dict[str, Any] = self.served.ready()[1]
            seen = so(ill) and so(told.get("problems", {})) and serves(version, metrics, told)
            if seen and agree(metrics, ill):
                return
            assert time.monotonic() < deadline, f"not so: {what}; {ill}, {told}"
            self.served.health()
            time.sleep(0.05)

    def _end(self) -> None:
        self.let_go()
        self.served.close()
        accepted, self._accepted = set(self._accepted), []
        if accepted:
            log = home.open_log(self.settings)
            kept = {row for batch in log.batches() for row in _ids(batch)}
            assert accepted <= kept, f"{len(accepted - kept)} accepted events are lost"


def _ids(batch: Any) -> list[str]:
    return [event.event_id for event in batch]


def _told_in_words(answer: httpx.Response, *statuses: int) -> None:
    assert answer.status_code in statuses, (answer.status_code, answer.text)
    assert answer.json()["detail"], answer.text
