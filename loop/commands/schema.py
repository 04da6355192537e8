"""`adloom schema`: what events and topics look like, for other programs to hold to."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import typer

from adloom.loop.settings import Settings

app = typer.Typer()

Format = Literal["json", "yaml"]
Subject = Literal["events", "asyncapi"]


@app.command()
def schema(
    context: typer.Context,
    subject: Annotated[
        Subject, typer.Argument(help="JSON Schema of the events, or AsyncAPI of all topics.")
    ] = "events",
    form: Annotated[
        Format | None,
        typer.Option("--format", help="Without: JSON of events, YAML of asyncapi."),
    ] = None,
) -> None:
    """Print the schema of the events, or all topics by the names that the settings give them."""
    print(schema_text(context.obj, subject, form), end="")


def schema_text(settings: Settings, subject: Subject, form: Format | None = None) -> str:
    """What the command prints."""
    from adloom.loop.catalogue.feeds.attributes import product_attributes
    from adloom.stream.asyncapi import asyncapi
    from adloom.stream.schema import event_schema

    if subject == "events":
        return _written(event_schema(), form or "json")
    document = asyncapi(settings.kafka, settings.events, product_attributes())
    return _written(document, form or "yaml")


def _written(document: dict[str, Any], form: Format) -> str:
    if form == "json":
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    import yaml

    return str(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100))
