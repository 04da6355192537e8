"""A stream to which everything happens that may."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kafka import TopicPartition

from adloom.feature_store.checking import check_all
from adloom.feature_store.settings import FeatureStoreSettings
from adloom.feature_store.store import ContendedPartition, FeatureStore
from adloom.stream.events import Event, encode, kind_of
from adloom.stream.settings import KafkaSettings
from adloom.stream.topics import create_topics, event_topics, topic_ids, topic_of
from tests.folded import Identity, identity_of, logged_in
from tests.sample_events import click, exposure, impression
from tests.world import cluster_faults
from tests.world.any_producer import AnyProducer, Payload, Place
from tests.world.member_process import MemberProcess
from tests.world.online_faults import OnlineFaults
from tests.world.sent import Sent
from tests.world.thread_member import Step, ThreadMember

_USERS = ["ann", "bob", "cyd", "dan"]
_ITEMS = ["shoe", "bag", "hat"]
_POISON = [b"", b"\xff\xfe", b"{}", b"[" * 1_000]

_PATIENCE_SECONDS = 40.0
_LOOK_SECONDS = 0.25
_QUIET_LOOKS = 3
_LOOKS_BEFORE_A_CHECK = 32
_BUSIEST_WHILE_IDLE = 0.8  # of one core


class World:
    """Topics, members, an online store and its log; nothing else uses them."""

    def __init__(
        self,
        kafka: KafkaSettings,
        features: FeatureStoreSettings,
        home: Path,
        online: Callable[[], OnlineFaults],
        calm_seconds: float = 0.0,
    ) -> None:
        """Members are added by `start_member`; end with `close`, which deletes the topics too.

        Args:
            calm_seconds: a member does not leave before: the local broker may never appoint a
                leader when one leaves while the group is being formed.
        """
        create_topics(kafka)
        self.kafka = kafka
        self.partitions = kafka.partitions
        self.members: list[ThreadMember] = []
        self.processes: list[MemberProcess] = []
        self._features, self._home = features, home
        self._calm_seconds = calm_seconds
        self._store = FeatureStore.open(features, home)
        self._online = online()
        self._gate = threading.Event()
        self._gate.set()
        self._sent = Sent()
        self._number = 0
        self._open: tuple[AnyProducer, list[tuple[Event, Place]], bool] | None = None
        self._rows_lost = self._rows_lost_then = False
        self._gaps: dict[TopicPartition, set[Identity]] = {}
        self._notes: list[str] = []

    # What shops send

    def send(self, count: int, seed: int, **options: Any) -> None:
        """New events, some with ids that others have, and duplicates."""
        self._send(self._make(count, random.Random(seed)), random.Random(seed), **options)

    def send_in_transaction(self, count: int, seed: int, end: str) -> None:
        """`commit` or `abort`, at once or (`later: commit`) when the world is to be quiet."""
        self._end_transaction()
        events = self._make(count, random.Random(seed))
        producer = AnyProducer(self.kafka, transactional=True)
        places = producer.send([self._payload(event) for event in events])
        self._open = producer, list(zip(events, places, strict=True)), end.endswith("commit")
        if not end.startswith("later"):
            self._end_transaction()

    def send_poison(self, seed: int) -> None:
        rng = random.Random(seed)
        topics = list(event_topics(self.kafka))
        AnyProducer(self.kafka).send([Payload(rng.choice(topics), b"k", rng.choice(_POISON))])

    def _send(
        self,
        events: Sequence[Event],
        rng: random.Random,
        *,
        astray: bool = False,
        **options: Any,
    ) -> None:
        payloads = [
            self._payload(event, keyed=not astray or rng.random() < 0.5) for event in events
        ]
        places = AnyProducer(self.kafka, **options).send(payloads)
        for event, place in zip(events, places, strict=True):
            self._sent.add(event, place)

    def _make(self, count: int, rng: random.Random) -> list[Event]:
        return [self._event(rng) for _ in range(count)]

    def _event(self, rng: random.Random) -> Event:
        known = list(self._sent.events.values())
        if known and rng.random() < 0.2:
            return rng.choice(known)
        number = self._number
        self._number += 1
        name = rng.choice(known).event_id if known and rng.random() < 0.1 else f"e{number}"
        makers: list[Callable[..., Event]] = [click, impression, exposure]
        names = {"user_id": rng.choice(_USERS), "item_id": rng.choice(_ITEMS)}
        event = rng.choice(makers)(name, number, **names)
        return self._sent.events.get(identity_of(event), event)

    def _payload(self, event: Event, keyed: bool = True) -> Payload:
        key = event.user_id.encode() if keyed else None
        return Payload(topic_of(self.kafka, kind_of(event)), key, encode(event))

    def _end_transaction(self) -> None:
        if self._open is None:
            return
        producer, sent, counts = self._open
        self._open = None
        if counts:
            producer.commit()
            for event, place in sent:
                self._sent.add(event, place)
        else:
            producer.abort()

    # What members do

    def start_member(self) -> None:
        self.members.append(ThreadMember(self.kafka, self._features, self._home, self._gate))

    def stop_member(self, number: int) -> None:
        self._gate.set()
        member = self.members.pop(number % len(self.members))
        time.sleep(self._calm_seconds)
        member.stop()
        self._bury(member)

    def crash_member(self, number: int, step: Step) -> None:
        self._gaps.clear()
        self.members[number % len(self.members)].crash(step)

    def start_process(self) -> None:
        self._gaps.clear()
        self.processes.append(MemberProcess(self.kafka, self._features, self._home))

    def kill_process(self) -> None:
        self.processes.pop().kill()
        cluster_faults.put_out_members(self.kafka)

    def hold(self) -> None:
        """Members of this process read, and write no features, until `release`."""
        self._gate.clear()

    def release(self) -> None:
        self._gate.set()

    def _bury(self, member: ThreadMember) -> None:
        assert not member.error, f"a member ended: {member.error}"
        self._notes += member.state.notes

    # What happens to the online store

    def keep(self) -> None:
        self._rows_lost_then = self._rows_lost
        self._online.keep()

    def restore(self) -> None:
        self._gaps.clear()
        self._rows_lost = self._rows_lost_then
        self._online.restore()

    def lose_row(self, number: int) -> None:
        self._gaps.clear()
        self._rows_lost = True
        self._online.lose_row(number)

    def lose_value(self, number: int) -> None:
        self._gaps.clear()
        self._rows_lost = True
        self._online.lose_value(number)

    # What happens to the topics and the group

    def raise_partitions(self) -> None:
        self.partitions += 1
        cluster_faults.raise_partitions(self.kafka, self.partitions)

    def make_topics_anew(self, partitions: int, with_events: bool) -> None:
        self._end_transaction()
        self._gaps.clear()
        self.partitions = partitions
        cluster_faults.make_topics_anew(self.kafka, partitions)
        self._sent.delete(lambda place: True, self._logged())
        if with_events:
            self._send(list(self._sent.events.values()), random.Random(0))

    def delete_records(self, number: int) -> None:
        """What a partition has up to one of its records, and that one."""
        places = sorted({place for copies in self._sent.copies.values() for place in copies})
        if not places:
            return
        last = places[number % len(places)]
        partition = TopicPartition(last.topic, last.partition)
        was_read = self._was_read(partition)
        cluster_faults.delete_records(self.kafka, partition, last.offset + 1)
        lost = self._sent.delete(
            lambda place: place[:2] == last[:2] and place.offset <= last.offset, self._logged()
        )
        if was_read and not self.processes:
            self._gaps.setdefault(partition, set()).update(lost)

    def move_commits(self, to: str) -> None:
        """All members leave for it."""
        while self.members:
            self.stop_member(0)
        while self.processes:
            self.kill_process()
        cluster_faults.move_commits(self.kafka, to)

    def _was_read(self, partition: TopicPartition) -> bool:
        known = self._store.progress([partition.partition])[partition.partition]
        place = known.get(partition.topic)
        return place is not None and place.topic_id == topic_ids(self.kafka)[partition.topic]

    # What must be so in the end

    def settle(self) -> None:
        """Waits until all members say that they are done; then features, log and sent are equal."""
        self._end_transaction()
        self._gate.set()
        while self.processes:
            self.kill_process()
        self._wait_for_truth()
        if differences := check_all(self._store).differences:  # such as ids that are known
            assert self._rows_lost, differences
            self._rebuild()
            self._wait_for_truth()
            assert not check_all(self._store).differences
        self._check_gaps()

    def close(self) -> None:
        """Ends everything that runs."""
        self._gate.set()
        for process in self.processes:
            process.kill()
        for member in self.members:
            member.stop()
        self._store.close()
        cluster_faults.delete_topics(self.kafka)

    def _wait_for_truth(self) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        quiet = wrong_but_done = 0
        while quiet < _QUIET_LOOKS:
            self._replace_the_crashed()
            wrong = self._sent.wrong(self._store)
            assert time.monotonic() < deadline, "\n".join([*self._told(), *wrong])
            began, busy = time.monotonic(), time.process_time()
            time.sleep(_LOOK_SECONDS)
            idle = (time.process_time() - busy) / (time.monotonic() - began)
            done = self._all_ready() and idle < _BUSIEST_WHILE_IDLE
            quiet = quiet + 1 if done and not wrong else 0
            wrong_but_done = wrong_but_done + 1 if done and wrong else 0
            told = self._rows_lost and self._loss_is_told()  # may be of before it was mended
            if told or wrong_but_done > _LOOKS_BEFORE_A_CHECK:
                self._mend(wrong)
                deadline = time.monotonic() + _PATIENCE_SECONDS

    def _replace_the_crashed(self) -> None:
        for member in [member for member in self.members if not member.runs]:
            self.members.remove(member)
            self._bury(member)
        if not self.members:
            self.start_member()

    def _all_ready(self) -> bool:
        return all(member.state.ready and member.lag == 0 for member in self.members)

    def _loss_is_told(self) -> bool:
        return any("adloom backfill" in (member.state.problem or "") for member in self.members)

    def _mend(self, wrong: list[str]) -> None:
        """As `adloom backfill` does, where rows were lost and somebody has said so."""
        assert self._rows_lost, "\n".join(["nothing was lost:", *self._told(), *wrong])
        if not self._loss_is_told():
            assert check_all(self._store).differences, "\n".join(["nobody said:", *wrong])
        self._rebuild()

    def _rebuild(self) -> None:
        """While members hold still."""
        with self._held():
            for _ in range(10):
                try:
                    for _ in self._store.rebuild(self._store.log.batches()):
                        pass
                except ContendedPartition:
                    time.sleep(0.2)
                else:
                    self._rows_lost = False
                    return
        raise AssertionError("the features could not be rebuilt")

    @contextmanager
    def _held(self) -> Iterator[None]:
        self._gate.clear()
        try:
            yield
        finally:
            self._gate.set()

    def _check_gaps(self) -> None:
        gone = self._sent.give_up(self._logged())
        notes = [*self._notes, *(note for member in self.members for note in member.state.notes)]
        for partition, lost in self._gaps.items():
            name = f"{partition.topic}/{partition.partition}"
            assert not lost & gone or any(name in note for note in notes), f"{name}: {notes}"
        self._gaps.clear()

    def _logged(self) -> set[Identity]:
        return set(logged_in(self._store))

    def _told(self) -> list[str]:
        return [f"{member.state}, lag {member.lag}" for member in self.members]
