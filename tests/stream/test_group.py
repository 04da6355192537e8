"""Members of the group come and go, and end as they are told, while events flow."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

from adloom.feature_store.settings import FeatureStoreSettings
from adloom.feature_store.store import FeatureStore
from adloom.stream.broker import LocalBroker
from adloom.stream.consumer import EventConsumer
from adloom.stream.settings import KafkaSettings
from adloom.stream.topics import create_topics
from tests.rough_traffic import RoughTraffic
from tests.stream.test_consumer import accounted, consume, running, wait_until
from tests.stream.test_outages import send_signal, settings_of

_PATIENCE_SECONDS = 60.0


@contextmanager
def flowing(traffic: RoughTraffic, kafka: KafkaSettings) -> Iterator[list[int]]:
    """Events all the time; gives a list that holds their number after the block."""
    sent = [0]
    stop = threading.Event()

    def send() -> None:
        while not stop.wait(0.1):
            traffic.send(kafka, 50)
            sent[0] += 50

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield sent
    finally:
        stop.set()
        thread.join()


class Group:
    """Members by name. After a change it waits until they share all partitions and go on.

    The local broker may never appoint a leader when members leave during a rebalance.
    """

    def __init__(self, kafka: KafkaSettings, store: FeatureStore) -> None:
        self._kafka, self._store = kafka, store
        self._members: dict[str, tuple[ExitStack, EventConsumer]] = {}

    def join(self, name: str) -> None:
        time.sleep(self._kafka.session_seconds / 2)
        parts = ExitStack()
        features = parts.enter_context(FeatureStore.open(self._store.settings, self._store.folder))
        consumer = EventConsumer(self._kafka, features)
        self._members[name] = parts, parts.enter_context(running(consumer))
        self._settle()

    def leave(self, name: str) -> None:
        time.sleep(self._kafka.session_seconds / 2)
        self._members.pop(name)[0].close()
        if self._members:
            self._settle()

    def lag(self) -> int:
        return sum(consumer.lag for _, consumer in self._members.values())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for parts, _consumer in self._members.values():
            parts.close()

    def _settle(self) -> None:
        consumers = [consumer for _, consumer in self._members.values()]

        def shared() -> bool:
            parts = [consumer._member.known for consumer in consumers]
            return all(parts) and sum(map(len, parts)) == 3 * self._kafka.partitions

        wait_until(shared)
        before = [accounted(consumer) for consumer in consumers]

        def all_went_on() -> bool:
            counts = [accounted(consumer) for consumer in consumers]
            return all(now > then for now, then in zip(counts, before, strict=True))

        wait_until(all_went_on)


def test_members_join_and_leave_under_load(kafka: KafkaSettings, store: FeatureStore) -> None:
    kafka = kafka.model_copy(update={"topic_prefix": f"{kafka.topic_prefix}-wide", "partitions": 4})
    create_topics(kafka)
    traffic = RoughTraffic(seed=11)
    with Group(kafka, store) as group:
        with flowing(traffic, kafka):
            for name in ("a", "b", "c"):
                group.join(name)
            group.leave("a")  # the one that was first leads the group
            group.join("d")
            group.leave("c")
        wait_until(lambda: traffic.logged_once(store) and group.lag() == 0)
    assert traffic.found(store) == traffic.expected()


@contextmanager
def consuming(kafka: KafkaSettings, home: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`adloom consume` as a process, and the address of its metrics."""
    environment = os.environ | {
        "ADLOOM_HOME": str(home),
        "ADLOOM_KAFKA__BOOTSTRAP_SERVERS": str(kafka.bootstrap_servers),
        "ADLOOM_KAFKA__TOPIC_PREFIX": kafka.topic_prefix,
        "ADLOOM_KAFKA__GROUP_ID": kafka.group_id,
        "ADLOOM_KAFKA__SESSION_SECONDS": str(kafka.session_seconds),
        "COLUMNS": "200",
    }
    program = "from adloom.loop.commands.app import app; app(['consume', '--port', '0'])"
    process = subprocess.Popen(
        [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        address = re.search(r"http://\S+(?=/metrics)", process.stdout.readline())
        assert address is not None
        yield process, address[0]
    finally:
        process.kill()
        process.communicate()


def status(address: str) -> int:
    try:
        with urllib.request.urlopen(address, timeout=_PATIENCE_SECONDS) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def metric(address: str, name: str) -> float:
    with urllib.request.urlopen(f"{address}/metrics", timeout=_PATIENCE_SECONDS) as answer:
        found = re.search(rf"^{re.escape(name)} (\S+)$", answer.read().decode(), re.MULTILINE)
    return float(found[1]) if found else 0.0


def test_sigterm_ends_a_member_with_everything_committed(
    kafka: KafkaSettings, tmp_path: Path
) -> None:
    """It ends with 0; one that takes 9 seconds or more ends with 1."""
    traffic = RoughTraffic(seed=12)
    with flowing(traffic, kafka) as sent, consuming(kafka, tmp_path) as (process, address):
        clicks = 'adloom_stream_events_consumed_total{kind="click"}'
        wait_until(lambda: metric(address, clicks) > 0)
        assert status(f"{address}/healthz") == status(f"{address}/readyz") == 200
        assert status(f"{address}/elsewhere") == 404
        process.terminate()
        said, _ = process.communicate(timeout=_PATIENCE_SECONDS)
        assert process.returncode == 0
    counts = re.search(r"([\d,]+) events applied, ([\d,]+) dead letters", said)
    assert counts is not None
    applied, dead = (int(count.replace(",", "")) for count in counts.groups())
    with (
        FeatureStore.open(FeatureStoreSettings(), tmp_path / "features") as store,
        EventConsumer(kafka, store) as next_member,
    ):
        rest = sent[0] - applied - dead
        consume(next_member, rest)
        assert accounted(next_member) == rest
        assert traffic.found(store) == traffic.expected()


def test_ctrl_c_ends_a_member_though_the_broker_hangs(tmp_path: Path) -> None:
    with LocalBroker() as broker:
        kafka = settings_of(broker)
        with consuming(kafka, tmp_path) as (process, address):
            wait_until(lambda: status(f"{address}/readyz") == 200)
            send_signal(broker, signal.SIGSTOP)
            try:
                process.send_signal(signal.SIGINT)
                process.wait(timeout=_PATIENCE_SECONDS)
            finally:
                send_signal(broker, signal.SIGCONT)
