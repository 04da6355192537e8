"""Users out of all that adloom keeps; killed anywhere, it is complete once it is run again.

First nobody takes in their events any more, and whoever did has said so. Then what there is of
them is found and noted, without their ids, and goes from one place after the other; the event log
is the last, since it tells of all others. Each step can be done again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence

from adloom.feature_store.history import remove_scratch
from adloom.feature_store.logged import LoggedEvent
from adloom.feature_store.taking_back import is_exact, take_back
from adloom.loop.catalogue.creatives.erasing import erase_ads, made_here
from adloom.loop.database.scrubbing import scrub
from adloom.loop.exposures.erasing import ads_of, erase_users, others_of_ads
from adloom.loop.forgetting.alone import alone
from adloom.loop.forgetting.kept import Kept
from adloom.loop.forgetting.report import Found, Report
from adloom.loop.learning.rounds.forgetting import erase_from_rounds, shares_of
from adloom.loop.learning.rounds.turn import RoundUnderWay, turn
from adloom.loop.privacy.reading import wait_for_readers
from adloom.loop.privacy.tombstones import Tombstones
from adloom.stream.erasing import (
    TopicLeft,
    cut_off,
    erase_letters,
    letters_of,
    places_of,
)

USERS_AT_ONCE = 100
STAGES = (
    "readers",
    "found",
    "features",
    "creatives",
    "rounds",
    "letters",
    "topics",
    "log",
    "scratch",
    "end",
)
"""What is told before each step."""

Told = Callable[[str], object]


def forget(
    kept: Kept,
    users: Collection[str],
    *,
    opt_out: bool | None = None,
    told: Told = lambda stage: None,
) -> Report:
    """Forgets users: nothing that names them stays, and a version says that it learned from them.

    Args:
        opt_out: none of their events is taken in afterwards either; None = as it was before.
        told: called before each of the `STAGES`, of each hundred users.

    Raises ReadersBusy; BrokerUnavailable, KafkaRefused, DeliveryFailed; StoreUnavailable;
    DatabaseUnusable; PicturesAway; RegistryUnavailable, RegistryRefused. What is left then goes
    when it is run again.
    """
    report = Report(users=0, opted_out=bool(opt_out))
    every = list(dict.fromkeys(users))
    for start in range(0, len(every), USERS_AT_ONCE):
        with alone(kept):
            report.add(_Forgetting(kept, every[start : start + USERS_AT_ONCE], told).run(opt_out))
    return report


def what_is_kept(kept: Kept, users: Collection[str]) -> Report:
    """What `forget` would find; nothing is changed. Raises as `forget` does."""
    every = list(dict.fromkeys(users))
    kept.shared_rounds.fetch()
    found = find(kept, every, kept.features.log.of_users(every))
    report = Report.of(len(every), found.values(), dry_run=True)
    if kept.kafka is not None:
        report.dead_letters = letters_of(kept.kafka, every)
    return report


def find(kept: Kept, users: Sequence[str], events: Sequence[LoggedEvent]) -> dict[str, Found]:
    """What there is of each of these users; ``events`` are all that the log has of them."""
    kinds: dict[str, Counter[str]] = {user: Counter() for user in users}
    ads: dict[str, set[str]] = {user: set() for user in users}
    places: dict[str, set[tuple[str, int]]] = {user: set() for user in users}
    for event in events:
        kinds[event.user_id][event.kind] += 1
        places[event.user_id].add((event.topic, event.partition))
        if event.ad_id is not None:
            ads[event.user_id].add(event.ad_id)
    waiting = ads_of(kept.database, users)
    for user, unseen in waiting.items():
        ads[user].update(unseen)
    drawn = made_here(kept.database, set().union(*ads.values()))
    alone = drawn - kept.features.log.others_of_ads(drawn, users) if drawn else drawn
    alone -= others_of_ads(kept.database, alone, users)
    shares = shares_of(kept.rounds, users)
    return {
        user: Found(
            events=dict(kinds[user]),
            ads=sorted(ads[user] & alone),
            exposures=len(waiting[user]),
            rounds=sorted(shares[user].rounds),
            versions=sorted(shares[user].versions),
            places=sorted(places[user]),
        )
        for user in users
    }


class _Forgetting:
    """Some users on their way out."""

    def __init__(self, kept: Kept, users: Sequence[str], told: Told) -> None:
        self._kept, self._users, self._told = kept, users, told
        self._tombstones = Tombstones(kept.database)
        names = self._tombstones.names()
        self._names = {user: names.of(user) for user in users}
        self._found: dict[str, Found] = {}
        self._waits: list[str] = []
        self._topics: list[TopicLeft] = []

    def run(self, opt_out: bool | None) -> Report:
        kept, users = self._kept, self._users
        self._told("readers")
        number = self._tombstones.begin(self._names.values(), opt_out)
        wait_for_readers(kept.database, number)
        self._told("found")
        kept.shared_rounds.fetch()
        events = kept.features.log.of_users(users)
        self._find(events)
        self._told("features")
        take_back(kept.features.backend, kept.features.settings, events, users)
        self._told("creatives")
        ads = {ad for found in self._found.values() for ad in found.ads}
        gone = erase_ads(kept.database, kept.pictures, ads)
        erase_users(kept.database, users)
        self._note(Found(pictures=gone.pictures))
        self._told("rounds")
        self._erase_from_rounds()
        self._told("letters")
        self._erase_letters()
        self._told("topics")
        self._cut_topics()
        self._told("log")
        kept.features.log.erase_users(users)
        self._told("scratch")
        kept.features.log.remove_staged()
        remove_scratch(kept.features.folder)
        kept.features.backend.scrub()
        scrub(kept.database)
        self._told("end")
        return self._ended()

    def _find(self, events: Sequence[LoggedEvent]) -> None:
        before = self._tombstones.of(self._names.values())
        for user, found in find(self._kept, self._users, events).items():
            noted = before[self._names[user]].found
            known = Found.model_validate_json(noted) if noted else Found()
            self._found[user] = known.with_(found)
            self._tombstones.note(self._names[user], self._found[user].model_dump_json())

    def _note(self, more: Found) -> None:
        first = self._users[0]
        self._found[first] = self._found[first].with_(more)
        self._tombstones.note(self._names[first], self._found[first].model_dump_json())

    def _erase_from_rounds(self) -> None:
        kept = self._kept
        if not any(found.rounds for found in self._found.values()):
            return
        try:
            with (
                turn(kept.rounds, kept.database) as held,
                kept.shared_rounds.held(held),
            ):
                gone = erase_from_rounds(kept.rounds, self._users, kept.registry)
        except RoundUnderWay as error:
            self._waits.append(str(error))
        else:
            self._note(Found(evaluations=gone.evaluations, rounds_given_up=gone.given_up))

    def _erase_letters(self) -> None:
        if self._kept.kafka is not None:
            letters, left = erase_letters(self._kept.kafka, self._users)
            self._topics.append(left)
            self._note(Found(dead_letters=letters))

    def _cut_topics(self) -> None:
        kafka, features = self._kept.kafka, self._kept.features
        if kafka is None:
            return
        numbers = range(features.settings.item_shards)
        places = {place for found in self._found.values() for place in found.places}
        places |= places_of(kafka, self._users)
        self._topics += cut_off(kafka, places, features.progress(numbers))

    def _ended(self) -> Report:
        report = Report.of(len(self._users), self._found.values())
        features = self._kept.features
        if not features.backend.deletes and any(
            stats.impressions or stats.clicks for stats in features.user_stats(self._users).values()
        ):
            self._waits.append(
                "this online store can delete no rows through Feast: stop the consumers, run "
                "adloom backfill, which makes all features anew without them, and run this again"
            )
        report.waits, report.complete = self._waits, not self._waits
        if report.events and not is_exact(features.backend):
            # No byte of the user is in them: this keeps nothing from being complete.
            report.notes.append(
                "items in a store without transactions still count what they did: adloom backfill "
                "makes the counts anew from the log, with the consumers stopped"
            )
        report.add_topics(self._topics)
        if report.complete:
            self._tombstones.end(self._names.values())
        return report
