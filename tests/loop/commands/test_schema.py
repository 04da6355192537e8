"""The schemas in the docs are those of the code, and say what is true of real events."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from typer.testing import CliRunner

from adloom.loop.commands.app import app
from adloom.loop.commands.schema import Subject, schema_text
from adloom.loop.settings import Settings
from adloom.stream.dead_letter import DeadLetter
from adloom.stream.events import Event, InvalidEvent, Reason, encode
from adloom.stream.schema import event_schema
from tests.sample_events import click, exposure, impression

SCHEMAS = Path(__file__).parents[3] / ".assets" / "schema"
COMMITTED: dict[Subject, str] = {"events": "events.json", "asyncapi": "asyncapi.yaml"}


@pytest.mark.parametrize("subject", COMMITTED)
def test_the_docs_hold_the_schema_of_today(
    subject: Subject, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    committed = SCHEMAS / COMMITTED[subject]
    again = f"adloom schema {subject} > .assets/schema/{committed.name}"
    assert committed.read_text() == schema_text(Settings(), subject), f"make it anew: {again}"


def validator(name: str) -> Draft202012Validator:
    schema = event_schema() | {"$ref": f"#/$defs/{name}"}
    del schema["anyOf"]
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=FormatChecker())


@pytest.mark.parametrize(
    "event",
    [
        impression("i"),
        click("c", ad_id="ad", position=3, propensity=0.5, context={"k": [1, None]}, own="field"),
        exposure("x", variant="champion"),
    ],
)
def test_events_as_they_are_sent_are_valid(event: Event) -> None:
    validator(type(event).__name__).validate(json.loads(encode(event)))


@pytest.mark.parametrize(
    "changes",
    [
        {"user_id": 7},
        {"user_id": ""},
        {"ts": None},
        {"propensity": 0},
        {"position": -1},
        {"version": 2},
    ],
)
def test_what_is_refused_is_not_valid(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        validator("Click").validate(json.loads(encode(click("c"))) | changes)


def asyncapi(**settings: Any) -> dict[str, Any]:
    return dict(yaml.safe_load(schema_text(Settings(**settings), "asyncapi")))


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for name, inner in node.items():
            if name == "$ref":
                yield inner
            else:
                yield from references(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from references(inner)


def resolved(document: dict[str, Any], reference: str) -> Any:
    found: Any = document
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found


SHARED = {
    "kafka": {
        "bootstrap_servers": "kafka-1:9092,kafka-2:9092",
        "topics": {"clicks": "shop.events", "impressions": "shop.events", "products": "shop.p"},
    },
    "events": {
        "fields": {"user_id": "uid", "ts": {"path": "at", "unit": "ms"}},
        "kind": {"path": "type", "click": ["tap"], "impression": ["view"]},
    },
}


@pytest.mark.parametrize("settings", [{}, SHARED])
def test_the_document_of_topics_is_sound(settings: dict[str, Any]) -> None:
    document = asyncapi(**settings)
    assert document["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= document["info"].keys()
    found = list(references(document))
    assert found
    for reference in found:
        assert resolved(document, reference) is not None
    addresses = [channel["address"] for channel in document["channels"].values()]
    assert len(addresses) == len(set(addresses))
    for operation in document["operations"].values():
        assert operation["action"] in ("send", "receive")
        assert operation["channel"]["$ref"].removeprefix("#/channels/") in document["channels"]
    for channel in document["channels"].values():
        assert channel["bindings"]["kafka"]["topic"] == channel["address"]


def test_topics_have_the_names_of_the_settings() -> None:
    document = asyncapi(**SHARED)
    channels = document["channels"]
    addresses = {name: channel["address"] for name, channel in channels.items()}
    assert addresses == {
        "events": "shop.events",
        "exposures": "adloom.exposures",
        "deadletter": "adloom.deadletter",
        "products": "shop.p",
    }
    assert channels["events"]["messages"].keys() == {"impression", "click"}
    assert [server["host"] for server in document["servers"].values()] == [
        "kafka-1:9092",
        "kafka-2:9092",
    ]
    payloads = {name: m["payload"] for name, m in document["components"]["messages"].items()}
    assert "ts is at, user_id is uid" in payloads["click"]["description"]
    assert payloads["exposure"] == {"$ref": "#/components/schemas/Exposure"}


def test_dead_letters_are_as_the_document_says() -> None:
    document = asyncapi()
    letter = DeadLetter.of(InvalidEvent(Reason.NOT_JSON, "x"), "adloom.clicks", 0, 1, b"\xff")
    schema = {"$ref": "#/components/schemas/DeadLetter", "components": document["components"]}
    Draft202012Validator(schema).validate(json.loads(letter.encode()))


def test_the_command_prints_either_form(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    printed = {
        subject: CliRunner().invoke(app, ["schema", subject, "--format", "json"]).stdout
        for subject in COMMITTED
    }
    assert json.loads(printed["events"]) == event_schema()
    assert json.loads(printed["asyncapi"])["channels"]["clicks"]["address"] == "adloom.clicks"
    yaml_form = CliRunner().invoke(app, ["schema", "events", "--format", "yaml"]).stdout
    assert yaml.safe_load(yaml_form) == event_schema()


@pytest.mark.parametrize("subject", COMMITTED)
def test_no_login_is_needed(subject: Subject) -> None:
    login = {"SECURITY_PROTOCOL": "SASL_SSL", "SASL_MECHANISM": "PLAIN", "SASL_USERNAME": "shop"}
    env = {f"ADLOOM_KAFKA__{name}": value for name, value in login.items()}
    result = CliRunner().invoke(app, ["schema", subject], env=env)
    assert (result.exit_code, result.stderr) == (0, "")
    others = CliRunner().invoke(app, ["deadletter", "list"], env=env)
    assert "sasl_password: set both" in others.stderr
