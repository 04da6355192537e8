"""The events as JSON Schema."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import models_json_schema

from adloom.stream.events import EVENT_TYPES

_JSON_SCHEMA = "https://json-schema.org/draft/2020-12/schema"


def event_schema() -> dict[str, Any]:
    """JSON Schema of the events in adloom's own form, each under `$defs`."""
    models = [(model, "validation") for model in EVENT_TYPES.values()]
    _, schema = models_json_schema(models, ref_template="#/$defs/{model}")  # type: ignore[arg-type]
    names = [model.__name__ for model in EVENT_TYPES.values()]
    return {
        "$schema": _JSON_SCHEMA,
        "title": "Events of adloom",
        "description": "Which of them a record is, its topic tells. Other fields are kept.",
        "anyOf": [{"$ref": f"#/$defs/{name}"} for name in names],
        "$defs": schema["$defs"],
    }
