"""Events in the shop's own form are read by the map of the settings."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from adloom.stream.event_reader import Dropped, EventReader
from adloom.stream.event_settings import EventSettings
from adloom.stream.events import Click, Event, Impression, InvalidEvent, Reason, encode, parse
from adloom.stream.headers import MARKS, Headers
from adloom.stream.settings import KafkaSettings
from tests.sample_events import START, click, exposure, impression

KAFKA = KafkaSettings()
CLICKS, IMPRESSIONS, EXPOSURES = "adloom.clicks", "adloom.impressions", "adloom.exposures"
OWN: dict[str, Any] = {
    "uid": 7,
    "timestamp": 1_704_067_200_250,
    "page": {"context": {"lang": "de"}, "shop.id": "s-1"},
    "items": [{"id": 4711}],
    "bot": False,
}
FIELDS: dict[str, Any] = {
    "user_id": "uid",
    "ts": {"path": "timestamp", "unit": "ms"},
    "item_id": "items.0.id",
    "context": "page.context",
    "event_id": "hash",
    "variant": {"value": "web"},
}


def reading(**events: Any) -> EventReader:
    return EventReader(KAFKA, EventSettings.model_validate(events))


def read(reader: EventReader, own: Any, topic: str = CLICKS, headers: Headers = ()) -> Any:
    payload = own if isinstance(own, bytes) else json.dumps(own).encode()
    return reader.of_topic(topic)(payload, headers, START)


def refused(reader: EventReader, own: Any, topic: str = CLICKS) -> InvalidEvent:
    with pytest.raises(InvalidEvent) as caught:
        read(reader, own, topic)
    return caught.value


def test_fields_are_found_by_their_paths() -> None:
    event = read(reading(fields=FIELDS), OWN)
    assert isinstance(event, Click)
    assert (event.user_id, event.item_id, event.variant) == ("7", "4711", "web")
    assert event.ts == datetime(2024, 1, 1, 0, 0, 0, 250_000, UTC)
    assert event.context == {"lang": "de"}
    assert not event.model_extra


def test_a_kind_has_fields_of_its_own_over_those_of_all() -> None:
    reader = reading(fields=FIELDS, impression={"item_id": "seen"})
    assert read(reader, OWN | {"seen": "hat"}, IMPRESSIONS).item_id == "hat"
    assert read(reader, OWN | {"seen": "hat"}).item_id == "4711"


def test_what_is_not_named_has_its_own_name_and_what_is_unknown_stays_behind() -> None:
    event = read(reading(fields=FIELDS), OWN | {"ad_id": "ad-1", "position": "3", "ip": "10.0.0.1"})
    assert (event.ad_id, event.position) == ("ad-1", 3)
    assert b"10.0.0.1" not in encode(event)


def test_further_fields_are_kept_when_they_are_named() -> None:
    extra = {"shop": "page.shop.id", "session": "page.session"}
    event = read(reading(fields=FIELDS | {"extra": extra | {"nr": "items.0.id"}}), OWN)
    assert event.model_extra == {"nr": 4711}  # a name with a dot in it is no path below the top
    flat = OWN | {"page.shop.id": "s-1"}
    assert read(reading(fields=FIELDS | {"extra": extra}), flat).model_extra == {"shop": "s-1"}


@given(st.permutations(list(OWN)), st.integers(0, 4))
def test_the_same_payload_has_the_same_id_however_it_is_written(
    order: list[str], indent: int
) -> None:
    reader = reading(fields=FIELDS)
    again = json.dumps({name: OWN[name] for name in order}, indent=indent).encode()
    assert read(reader, again).event_id == read(reader, OWN).event_id
    assert read(reader, OWN | {"bot": None}).event_id != read(reader, OWN).event_id
    assert read(reader, OWN, IMPRESSIONS).event_id != read(reader, OWN).event_id


@pytest.mark.parametrize(
    ("changes", "reason", "detail"),
    [
        ({"uid": None}, Reason.MISSING_FIELD, "uid: Field required"),
        ({"uid": ""}, Reason.MISSING_FIELD, "uid: Field required"),
        ({"uid": True}, Reason.WRONG_TYPE, "uid: "),
        ({"uid": "u" * 129}, Reason.OUT_OF_RANGE, "uid: "),
        ({"uid": 10**60}, Reason.WRONG_TYPE, "uid: "),
        ({"items": []}, Reason.MISSING_FIELD, "items.0.id: Field required"),
        ({"items": {"0": {"id": 5}}, "timestamp": "x"}, Reason.WRONG_TYPE, "timestamp: not a mom"),
        ({"timestamp": 9e20}, Reason.OUT_OF_RANGE, "timestamp: "),
        ({"timestamp": 9e12}, Reason.FUTURE_TIMESTAMP, "timestamp: "),
        ({"timestamp": -1}, Reason.OUT_OF_RANGE, "timestamp: "),
        ({"page": {"context": [1]}}, Reason.WRONG_TYPE, "page.context: "),
        ({"propensity": 2}, Reason.OUT_OF_RANGE, "propensity: "),
    ],
)
def test_a_refusal_names_the_field_as_the_shop_does(
    changes: dict[str, Any], reason: Reason, detail: str
) -> None:
    error = refused(reading(fields=FIELDS), OWN | changes)
    assert error.reason is reason
    assert error.detail.startswith(detail)


@pytest.mark.parametrize(
    "payload", [b"", b"{", b"\xff", b"[]", b"7", b'{"a":' * 9_000, b"x" * 70_000]
)
def test_what_is_no_object_is_refused(payload: bytes) -> None:
    assert refused(reading(fields=FIELDS), payload).reason in (
        Reason.NOT_JSON,
        Reason.WRONG_TYPE,
        Reason.TOO_LARGE,
        Reason.MISSING_FIELD,
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*OWN, "position", "propensity", "ad_id"]), JSON))
def test_whatever_the_payload_it_is_an_event_or_refused(changes: dict[str, Any]) -> None:
    try:
        event = read(reading(fields=FIELDS), OWN | changes)
    except InvalidEvent:
        return
    assert parse("click", encode(event), START) == event


def test_a_moment_without_a_zone_needs_one_in_the_settings() -> None:
    own = OWN | {"timestamp": "2024-01-01T01:00:00"}
    fields = FIELDS | {"ts": {"path": "timestamp", "zone": "Europe/Berlin"}}
    assert read(reading(fields=fields), own).ts == datetime(2024, 1, 1, tzinfo=UTC)
    error = refused(reading(fields=FIELDS | {"ts": "timestamp"}), own)
    assert error.reason is Reason.NO_TIME_ZONE


def test_what_adloom_sent_itself_is_never_mapped() -> None:
    reader = reading(fields=FIELDS, drop=[{"field": "user_id", "equals": "ann"}])
    for event, topic in ((click("c"), CLICKS), (exposure("x"), EXPOSURES)):
        kind = topic.removeprefix("adloom.").removesuffix("s")
        assert read(reader, encode(event), topic, MARKS[kind]) == event  # type: ignore[index]
    assert read(reader, encode(exposure("x")), EXPOSURES) == exposure("x")


def test_a_mark_makes_no_exposure_of_what_is_in_a_topic_of_clicks() -> None:
    """Whoever may write clicks may not therefore say what adloom showed."""
    with pytest.raises(InvalidEvent, match="marked as exposure") as caught:
        read(reading(fields=FIELDS), encode(exposure("x")), CLICKS, MARKS["exposure"])
    assert caught.value.reason is Reason.WRONG_TYPE


def test_exposures_are_mapped_where_the_settings_say_so() -> None:
    assert read(reading(fields=FIELDS, exposure={"ad_id": "ad"}), OWN, EXPOSURES).user_id == "7"


KIND = {"path": "type", "click": ["click", "tap"], "impression": ["view"]}


def test_the_payload_may_tell_its_kind() -> None:
    reader = reading(fields=FIELDS, kind=KIND)
    assert type(read(reader, OWN | {"type": "tap"})) is Click
    assert type(read(reader, OWN | {"type": "view"})) is Impression
    assert read(reader, OWN | {"type": "purchase"}) == Dropped("kind")
    assert refused(reader, OWN).detail == "type: Field required"
    strict = reading(fields=FIELDS, kind=KIND | {"others": "refuse"})
    assert refused(strict, OWN | {"type": "purchase"}).reason is Reason.WRONG_TYPE


@pytest.mark.parametrize(
    ("rule", "own", "dropped"),
    [
        ({"field": "bot", "equals": True}, {"bot": True}, True),
        ({"field": "bot", "equals": True}, {"bot": 1}, False),
        ({"field": "bot", "equals": 1}, {"bot": True}, False),
        ({"field": "bot", "equals": "yes"}, {}, False),
        ({"field": "ua.name", "matches": "(?i)bot|spider"}, {"ua": {"name": "GoogleBot"}}, True),
        ({"field": "ua.name", "matches": "^bot"}, {"ua": {"name": "GoogleBot"}}, False),
        ({"field": "ua", "matches": "."}, {"ua": 7}, False),
    ],
)
@pytest.mark.parametrize("mapped", [True, False])
def test_a_rule_leaves_events_out(
    rule: dict[str, Any], own: dict[str, Any], dropped: bool, mapped: bool
) -> None:
    reader = reading(fields=FIELDS if mapped else None, drop=[rule])
    payload = (OWN if mapped else json.loads(encode(click("c", bot=False)))) | own
    found = read(reader, payload)
    assert (found == Dropped(rule["field"])) is dropped
    assert dropped or isinstance(found, Click)


def test_a_pattern_made_to_hang_does_not() -> None:
    reader = reading(fields=FIELDS, drop=[{"field": "ua", "matches": "(a+)+$", "name": "as"}])
    assert isinstance(read(reader, OWN | {"ua": "a" * 50_000 + "!"}), Click)


def test_without_settings_events_are_read_as_ever() -> None:
    for event, topic in ((impression("i"), IMPRESSIONS), (click("c", session="s"), CLICKS)):
        found: Event = read(reading(), encode(event), topic)
        assert found == event


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"fields": {"usr_id": "uid"}}, "usr_id"),
        ({"fields": {"user_id": "a..b"}}, "not a path"),
        ({"fields": {"user_id": {}}}, "either path or value"),
        ({"fields": {"user_id": 7}}, "give a path"),
        ({"fields": {"event_id": {"path": "a", "hash": True}}}, "either path or value"),
        ({"fields": {"user_id": {"path": "a", "unit": "s"}}}, "unit"),
        ({"fields": {"ts": {"path": "a", "zone": "Mars"}}}, "not a time zone"),
        ({"fields": {"ts": {"path": "a", "unit": "weeks"}}}, "unit"),
        ({"fields": {"extra": {"user_id": "a"}}}, "extra.user_id"),
        ({"drop": [{"field": "a"}]}, "either equals or matches"),
        ({"drop": [{"field": "a", "equals": [1]}]}, "text, a number"),
        ({"drop": [{"field": "a", "matches": "(?=x)"}]}, "not a regular expression"),
        ({"kind": {"path": "a"}}, "say which values"),
        ({"kind": {"path": "a", "click": ["x"], "impression": ["x"]}}, "two kinds"),
    ],
)
def test_a_wrong_setting_is_told(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        EventSettings.model_validate(settings)
