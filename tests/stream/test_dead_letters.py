"""Dead letters are listed, and sent again when they have become events."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from adloom.feature_store.store import FeatureStore
from adloom.loop.commands.app import app
from adloom.stream.burial import replay_letters, waiting_letters
from adloom.stream.consumer import EventConsumer
from adloom.stream.dead_letter import DeadLetter
from adloom.stream.events import InvalidEvent, Reason, encode
from adloom.stream.producer import EventProducer
from adloom.stream.settings import KafkaSettings
from adloom.stream.topics import dead_letter_topic, topic_of
from tests.sample_events import click
from tests.stream.test_consumer import consume, produce


def bury(kafka: KafkaSettings, reason: Reason, offset: int, payload: bytes) -> DeadLetter:
    error = InvalidEvent(reason, "as it was then")
    letter = DeadLetter.of(error, topic_of(kafka, "click"), 0, offset, payload)
    with EventProducer(kafka) as producer:
        producer.send_payload(dead_letter_topic(kafka), letter.key, letter.encode())
    return letter


def test_an_empty_topic_has_no_letters(kafka: KafkaSettings) -> None:
    assert waiting_letters(kafka) == []


def test_a_letter_that_was_written_twice_waits_once(kafka: KafkaSettings) -> None:
    letters = [bury(kafka, Reason.NOT_JSON, offset, b"\xff") for offset in (3, 4, 3)]
    assert sorted(letter.offset for letter in waiting_letters(kafka)) == [3, 4]
    assert letters[0] in waiting_letters(kafka)


def test_what_became_an_event_is_replayed_once(kafka: KafkaSettings, store: FeatureStore) -> None:
    early = bury(kafka, Reason.FUTURE_TIMESTAMP, 1, encode(click("early", session="s-1")))
    broken = bury(kafka, Reason.NOT_JSON, 2, b"{")
    replayed = replay_letters(kafka)
    assert replayed.sent == [early]
    assert [letter.key for letter in replayed.refused] == [broken.key]
    assert waiting_letters(kafka) == [broken]
    assert replay_letters(kafka).sent == []
    with EventConsumer(kafka, store) as consumer:
        consume(consumer, 1)
    assert len(store.history("ann")) == 1
    assert store.log.read()["extra"].tolist() == ['{"session": "s-1"}']


def test_a_replayed_duplicate_counts_once(kafka: KafkaSettings, store: FeatureStore) -> None:
    produce(kafka, click("c1"))
    bury(kafka, Reason.FUTURE_TIMESTAMP, 1, encode(click("c1")))
    replay_letters(kafka)
    with EventConsumer(kafka, store) as consumer:
        consume(consumer, 2)
    assert len(store.history("ann")) == 1


def test_what_was_cut_or_is_of_no_event_topic_stays(kafka: KafkaSettings) -> None:
    bury(kafka, Reason.TOO_LARGE, 1, encode(click("c1", note="x" * 200_000)))
    stray = DeadLetter.of(InvalidEvent(Reason.NOT_JSON, ""), "elsewhere", 0, 2, encode(click("c")))
    with EventProducer(kafka) as producer:
        producer.send_payload(dead_letter_topic(kafka), stray.key, stray.encode())
    assert replay_letters(kafka).sent == []
    assert len(waiting_letters(kafka)) == 2


@pytest.fixture
def cli(kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> CliRunner:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ADLOOM_KAFKA__BOOTSTRAP_SERVERS", str(kafka.bootstrap_servers))
    monkeypatch.setenv("ADLOOM_KAFKA__TOPIC_PREFIX", kafka.topic_prefix)
    return CliRunner()


def test_the_commands_list_and_replay(cli: CliRunner, kafka: KafkaSettings) -> None:
    bury(kafka, Reason.FUTURE_TIMESTAMP, 1, encode(click("c1")))
    bury(kafka, Reason.NOT_JSON, 2, b"[bold]\x00\xff")
    listed = json.loads(cli.invoke(app, ["deadletter", "list", "--json"]).stdout)
    assert {letter["reason"] for letter in listed} == {"future_timestamp", "not_json"}
    shown = cli.invoke(app, ["deadletter", "list", "--reason", "not_json"])
    assert "1 dead letter (1 not_json) waiting." in shown.stdout
    replayed = cli.invoke(app, ["deadletter", "replay", "--json"])
    assert json.loads(replayed.stdout) == {"replayed": 1, "refused": {"not_json": 1}}
    assert "1 dead letter (1 not_json) waiting." in cli.invoke(app, ["deadletter", "list"]).stdout


def test_without_a_broker_the_command_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    found = CliRunner().invoke(app, ["deadletter", "list"])
    assert found.exit_code == 2
    assert "ADLOOM_KAFKA__BOOTSTRAP_SERVERS" in found.stderr
