"""`POST /v1/events`: what shoppers did with a page, in adloom's form or in the shop's own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from adloom.loop.serving.http.access import MaySendEvents, Roles, may_send_events
from adloom.loop.serving.http.errors import GUARDED, refusals
from adloom.loop.serving.http.pools import pools
from adloom.loop.serving.http.routes import running
from adloom.loop.serving.metrics import EVENTS_ACCEPTED, EVENTS_REFUSED
from adloom.loop.serving.server import AdServer
from adloom.stream import metrics
from adloom.stream.cluster.refusals import KafkaRefused
from adloom.stream.event_reader import Dropped, EventReader
from adloom.stream.events import (
    MAX_PAYLOAD_BYTES,
    Click,
    Event,
    Exposure,
    Impression,
    InvalidEvent,
    Kind,
    Outcome,
    Reason,
    encode,
    kind_of,
)
from adloom.stream.forgotten import Forgotten, why_left_out

Form = Literal["own", "adloom"]
_Body = TypeVar("_Body", bound=BaseModel)

_MAX_EVENTS = 1_000
_PLAIN = "text/plain"
_ANY_MOMENT = datetime(2200, 1, 1, tzinfo=UTC)
_NO_TOPIC = "outcomes are not taken here: name their topic in kafka.topics.outcomes"
_NOT_FROM_PAGES = (
    "a publishable key sends impressions and clicks alone: outcomes come from the shop's servers, "
    "by a key of role write"
)
_EXAMPLE: dict[str, Any] = {
    "clicks": [
        {
            "event_id": "click-1",
            "ts": "2026-01-02T12:00:00Z",
            "user_id": "shopper-0001",
            "item_id": "running-shoes",
            "ad_id": "5f1c2a52-7f0e-4c6e-9d2e-0a8f9e1f7c11",
        }
    ]
}
_LISTS: dict[str, Kind | None] = {
    "impressions": "impression",
    "clicks": "click",
    "outcomes": "outcome",
    "events": None,
}


class Events(BaseModel):
    """Events from the shop's pages."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_EXAMPLE]})

    impressions: list[Impression] = Field(default=[], max_length=_MAX_EVENTS)
    clicks: list[Click] = Field(default=[], max_length=_MAX_EVENTS)
    outcomes: list[Outcome] = Field(
        default=[], max_length=_MAX_EVENTS, description="purchases and the like: for experiments"
    )


class OwnEvents(BaseModel):
    """Events from the shop's pages in the form that `[events]` of the settings tells."""

    model_config = ConfigDict(extra="forbid")

    impressions: list[dict[str, Any]] = Field(default=[], max_length=_MAX_EVENTS)
    clicks: list[dict[str, Any]] = Field(default=[], max_length=_MAX_EVENTS)
    outcomes: list[dict[str, Any]] = Field(default=[], max_length=_MAX_EVENTS)
    events: list[dict[str, Any]] = Field(
        default=[],
        max_length=_MAX_EVENTS,
        description="of all these kinds: each tells its kind, see events.kind",
    )


class Accepted(BaseModel):
    """What became of the events."""

    accepted: int = Field(description="events on the broker")
    dropped: int = Field(
        default=0, description="left out by [events] of the settings, old, or of the forgotten"
    )


@dataclass
class _Taken:
    """Events to send, and how many each rule left out.

    Attributes:
        no_outcomes: why there may be none of them; None: there may.
        at: the moment that all of them are of; None: the one that each tells.
    """

    no_outcomes: str | None
    at: datetime | None = None
    events: list[Event] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)

    def take(self, place: tuple[str, int], event: Event | Dropped) -> None:
        if isinstance(event, Dropped):
            self.dropped[event.rule] += 1
        elif isinstance(event, Exposure):
            told = "adloom logs itself that its ads are shown: post impressions and clicks"
            raise _refused([*place], told, Reason.WRONG_TYPE)
        elif isinstance(event, Outcome) and self.no_outcomes is not None:
            raise _refused([*place], self.no_outcomes, Reason.WRONG_TYPE)
        elif len(encode(event)) > MAX_PAYLOAD_BYTES:
            told = f"an event has at most {MAX_PAYLOAD_BYTES} bytes"
            raise _refused([*place], told, Reason.TOO_LARGE)
        else:
            dated = event if self.at is None else event.model_copy(update={"ts": self.at})
            self.events.append(dated)

    def leave_out(self, forgotten: Forgotten) -> None:
        """Events of who is forgotten do not reach the broker."""
        kept = []
        for event in self.events:
            if (why := why_left_out(forgotten, event.user_id, event.ts)) is None:
                kept.append(event)
            else:
                self.dropped[why] += 1
        self.events = kept


async def _taken(
    request: Request,
    roles: Annotated[Roles, Depends(may_send_events)],
    form: Annotated[
        Form | None,
        Query(description="of the events: own = as [events] maps them; none = own if it does"),
    ] = None,
) -> _Taken:
    reader: EventReader = request.app.state.event_reader
    own = reader.has_own_form if form is None else form == "own"
    read = _own_events if own else _adloom_events
    taken = _for(roles, reader)
    try:
        _refuse_plain_text(request, roles)
        read(await request.body(), reader, taken)
        return taken
    except (HTTPException, RequestValidationError):
        EVENTS_REFUSED.labels("invalid").inc()
        raise


def mount_events(app: FastAPI, reader: EventReader) -> None:
    """Add the route; which form it takes by default is what the reader's settings say."""
    app.state.event_reader = reader
    router = APIRouter(tags=["ads"])
    body = OwnEvents if reader.has_own_form else Events
    beacon = {"type": "string", "description": "the same JSON, as the beacons of pages send it"}
    schema = {
        "application/json": {"schema": body.model_json_schema()},
        _PLAIN: {"schema": beacon},
    }

    @router.post(
        "/v1/events",
        status_code=202,
        responses=refusals(*GUARDED, 415, 503),
        openapi_extra={"requestBody": {"required": True, "content": schema}},
        dependencies=MaySendEvents,
    )
    async def take_events(events: Annotated[_Taken, Depends(_taken)], request: Request) -> Accepted:
        """Put a page's events on the stream; when this answers, the broker has them.

        By a publishable key pages send impressions and clicks, as `text/plain` too; they count as
        of when they arrive, whatever the visitor's clock says.
        """
        server = running(request)
        refuse_lost(server, len(events.events))
        events.leave_out(server.forgotten)
        with counted(events.events):
            await pools(request).events.run(server.producer.deliver, events.events)
        for rule, number in events.dropped.items():
            metrics.DROPPED.labels(rule).inc(number)
        return Accepted(accepted=len(events.events), dropped=events.dropped.total())

    app.include_router(router)


def refuse_lost(server: AdServer, events: int) -> None:
    """Answers 503 while what would be sent were lost."""
    if server.loses_events:
        EVENTS_REFUSED.labels("features").inc(events)
        told = "the features cannot be updated, events would be lost: /readyz says why"
        raise HTTPException(503, told, headers={"Retry-After": "5"})


@contextmanager
def counted(events: Sequence[Event]) -> Iterator[None]:
    """Counts events as accepted, or as refused where the block raises."""
    try:
        yield
    except Exception as error:
        reason = "broker_refuses" if isinstance(error, KafkaRefused) else "broker_away"
        EVENTS_REFUSED.labels(reason).inc(len(events))
        raise
    for kind, number in Counter(kind_of(event) for event in events).items():
        EVENTS_ACCEPTED.labels(kind).inc(number)


def _for(roles: Roles, reader: EventReader) -> _Taken:
    """Nothing yet, of who has these roles."""
    if "publishable" in roles:
        return _Taken(_NOT_FROM_PAGES, datetime.now(UTC))
    return _Taken(None if reader.takes_outcomes else _NO_TOPIC)


def _refuse_plain_text(request: Request, roles: Roles) -> None:
    """Any page may send it without asking: here it comes from those of the settings alone."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == _PLAIN and "publishable" not in roles:
        told = f"{_PLAIN} is taken from pages with a publishable key alone: send application/json"
        raise HTTPException(415, told)


def _adloom_events(body: bytes, reader: EventReader, taken: _Taken) -> None:
    """Strict JSON: FastAPI would decode it first, and then a moment is just text."""
    found = _validated(Events, body)
    raw = from_json(body) if reader.drops else {}
    named: dict[str, list[Any]] = {
        "impressions": found.impressions,
        "clicks": found.clicks,
        "outcomes": found.outcomes,
    }
    for name, some in named.items():
        for number, event in enumerate(some):
            rule = reader.rule_against(raw[name][number]) if reader.drops else None
            taken.take((name, number), event if rule is None else Dropped(rule))


def _own_events(body: bytes, reader: EventReader, taken: _Taken) -> None:
    now = datetime.now(UTC) if taken.at is None else _ANY_MOMENT
    for place, kind, own in _all(_validated(OwnEvents, body)):
        try:
            taken.take(place, reader.read_own(kind, own, now))
        except InvalidEvent as error:
            raise _refused([*place, *_path(error)], _told(error), error.reason) from error


def _all(found: OwnEvents) -> Iterator[tuple[tuple[str, int], Kind | None, dict[str, Any]]]:
    for name, kind in _LISTS.items():
        for number, own in enumerate(getattr(found, name)):
            yield (name, number), kind, own


def _validated(model: type[_Body], body: bytes) -> _Body:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False)
        raise RequestValidationError(
            [{**found, "loc": ("body", *found["loc"])} for found in problems]
        ) from error


def _path(error: InvalidEvent) -> list[str | int]:
    """The field, as the shop calls it, step by step."""
    steps = error.field.split(".") if error.field else []
    return [int(step) if step.isdecimal() else step for step in steps]


def _told(error: InvalidEvent) -> str:
    if error.reason is Reason.FUTURE_TIMESTAMP:
        return "the moment is in the future"  # an answer never repeats what was sent
    return error.detail.removeprefix(f"{error.field}: ")


def _refused(place: list[str | int], told: str, reason: Reason) -> HTTPException:
    return HTTPException(422, [{"loc": ["body", *place], "msg": told, "type": str(reason)}])
