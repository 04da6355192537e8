"""The cluster and its topics, or the local broker where no cluster is set."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import timedelta
from functools import partial
from typing import Any

from kafka import codec

from adloom.loop.doctor.finding import Check, Finding, judged
from adloom.loop.settings import Settings
from adloom.stream.cluster.group import members_of
from adloom.stream.cluster.partitions import TooFewShards, UnevenTopics
from adloom.stream.cluster.reaching import answered
from adloom.stream.cluster.refusals import user
from adloom.stream.cluster.standing import Standing, TopicStanding, lag, standing
from adloom.stream.events import MAX_CLOCK_SKEW, MAX_PAYLOAD_BYTES
from adloom.stream.needs import to_consume_events, to_follow_products, to_send_events
from adloom.stream.settings import KafkaSettings
from adloom.stream.topic_names import event_topics, products_topic
from adloom.stream.topics import connect_admin

_PATIENCE_SECONDS = 3.0
_SAFE_RETENTION = timedelta(days=1)
_CODECS: dict[str, Callable[[], bool]] = {
    "gzip": codec.has_gzip,
    "snappy": codec.has_snappy,
    "lz4": codec.has_lz4,
    "zstd": codec.has_zstd,
}


def broker_check(settings: Settings) -> Check:
    """Of the cluster, and in findings of their own its topics, the codecs and the group."""
    kafka = settings.kafka
    where = kafka.bootstrap_servers or "the local broker"
    look = partial(_look, settings) if kafka.bootstrap_servers else _look_at_local
    return Check("broker", where, "kafka.bootstrap_servers", look)


def _look_at_local() -> Iterator[Finding]:
    told = "none is set: adloom serve starts one on this machine, which keeps events in memory"
    yield Finding("broker", told)


def _look(settings: Settings) -> Iterator[Finding]:
    kafka = settings.kafka
    with closing(connect_admin(kafka, patience_seconds=_PATIENCE_SECONDS)) as admin:
        # A server that has just gone is no reason while others are there.
        cluster = answered(admin.describe_cluster, kafka, _PATIENCE_SECONDS)
        yield _brokers(cluster["brokers"], kafka)
        names = list(dict.fromkeys([*to_consume_events(kafka), *to_follow_products(kafka)]))
        found = answered(lambda: standing(admin, names), kafka, _PATIENCE_SECONDS)
        yield _topics(found, settings, len(cluster["brokers"]))
        yield _codecs(found.topics)
        yield _rights(found, kafka)
        events = [topic for topic in found.topics if topic.name in event_topics(kafka)]
        members = members_of(admin, kafka.group_id)
        yield _group(kafka, members, lag(admin, kafka.group_id, events))


def _brokers(known: Sequence[Mapping[str, Any]], kafka: KafkaSettings) -> Finding:
    away = sum(bool(one.get("is_fenced")) for one in known)
    many = f"{len(known)} broker{'' if len(known) == 1 else 's'}"
    lead = f"{len(known) - away} of {many}" if away else many
    login = f"{kafka.security_protocol}, {_who(kafka)}"
    notes = [f"{away} of the cluster's brokers do not answer it: see to them"] if away else []
    return judged("broker", f"{lead} at {kafka.bootstrap_servers}, {login}", [], notes)


def _topics(found: Standing, settings: Settings, brokers: int) -> Finding:
    kafka, wrong, notes = settings.kafka, list[str](), list[str]()
    events = {t.name: t.partitions for t in found.topics if t.name in event_topics(kafka)}
    if len(set(events.values())) > 1:
        wrong.append(f"{UnevenTopics(events)}: raise the others")
    most, shards = max(events.values(), default=0), settings.features.item_shards
    if most > shards:
        wrong.append(str(TooFewShards(most, shards)))
    for topic in found.topics:
        wrong += _wrong_with(topic, compacted=topic.name == products_topic(kafka))
        notes += _notes_on(topic, brokers, is_events=topic.name in events)
    if found.missing:
        named = ", ".join(found.missing)
        notes.append(f"not there yet: {named}; adloom consume makes them, which needs Create")
    told = ", ".join(
        f"{t.name}: {t.partitions} partitions, RF {t.replicas}"
        for t in sorted(found.topics, key=lambda topic: topic.name)
    )
    return judged("topics", told or "none", wrong, notes)


def _wrong_with(topic: TopicStanding, *, compacted: bool) -> Iterator[str]:
    configs, name = topic.configs or {}, topic.name
    if topic.headless:
        yield f"{name}: nobody leads {topic.headless} of its partitions: see to the brokers"
    if compacted and "compact" not in configs.get("cleanup.policy", "compact"):
        yield f"{name} forgets products: set its cleanup.policy to compact"
    if not compacted and "delete" not in configs.get("cleanup.policy", "delete"):
        yield f"{name} keeps one event of each user: set its cleanup.policy to delete"
    if int(configs.get("max.message.bytes", MAX_PAYLOAD_BYTES)) < MAX_PAYLOAD_BYTES:
        yield f"{name} takes no event of {MAX_PAYLOAD_BYTES:,} bytes: raise its max.message.bytes"
    ahead = (topic.newest or 0.0) - time.time()
    if ahead > MAX_CLOCK_SKEW.total_seconds():
        yield (
            f"{name} has events of {timedelta(seconds=round(ahead))} from now, which are refused: "
            "set the clocks of who sends, and this machine's, by NTP"
        )


def _notes_on(topic: TopicStanding, brokers: int, *, is_events: bool) -> Iterator[str]:
    configs, name = topic.configs or {}, topic.name
    if topic.behind:
        yield f"{name}: replicas of {topic.behind} partitions are not in step"
    if topic.replicas == 1 and brokers > 1:
        yield f"{name} is on one broker alone, and gone with it: raise its replication factor"
    elif topic.replicas > 1 and configs.get("min.insync.replicas") == str(topic.replicas):
        yield f"{name} takes nothing while a broker is away: lower its min.insync.replicas"
    kept = timedelta(milliseconds=int(configs.get("retention.ms", -1)))
    if is_events and timedelta(0) <= kept < _SAFE_RETENTION:
        yield f"{name} keeps events for {kept}: who consumes must never be away for longer"


def _codecs(topics: Sequence[TopicStanding]) -> Finding:
    """What producers compress by, the consumer must be able to read."""
    here = {name for name, has in _CODECS.items() if has()}
    lacking = sorted(_CODECS.keys() - here)
    wrong = [
        f"{topic.name} is compressed by {kind}, which cannot be read here: pip install "
        "'kafka-python[snappy,lz4,zstd]'"
        for topic in topics
        if (kind := (topic.configs or {}).get("compression.type", "")) in lacking
    ]
    notes = [f"{', '.join(lacking)} could not be read: pip install 'kafka-python[snappy,lz4,zstd]'"]
    told = f"{', '.join(sorted(here))} are read"
    return judged("codecs", told, wrong, notes if lacking and not wrong else [])


def _rights(found: Standing, kafka: KafkaSettings) -> Finding:
    uses = {
        "consume": to_consume_events(kafka),
        "serve": to_send_events(kafka),
        "products": to_follow_products(kafka),
    }
    lacks = {use: found.lacks(needs, kafka) for use, needs in uses.items()}
    able = [use for use, lack in lacks.items() if lack is None]
    told = [f"for {use}: {lack}" for use, lack in lacks.items() if lack is not None]
    enough = f"enough for {', '.join(able) or 'nothing'}"
    looked_at = f"{_who(kafka)}, on topics that are there: {enough}"
    # A login for one of the two is as it should be.
    works = "consume" in able or "serve" in able
    return judged("rights", looked_at, [] if works else told, told if works else [])


def _who(kafka: KafkaSettings) -> str:
    has_login = kafka.sasl_username is not None or kafka.ssl_certfile is not None
    return f"as {user(kafka)}" if has_login else "without a login"


def _group(kafka: KafkaSettings, members: int | None, behind: int | None) -> Finding:
    who = "members are not told" if members is None else f"{members} members"
    far = "" if behind is None else f", {behind:,} records behind"
    notes = []
    if members == 0:
        notes.append("nobody brings events into the features: run adloom consume")
    return judged("group", f"{kafka.group_id}: {who}{far}", [], notes)
