"""The events of the loop, and the only way from bytes on Kafka to one of them.

An event is one JSON object. Producers may add fields of their own: they are kept. Whatever the
bytes are, `parse` returns an event or raises `InvalidEvent`, never anything else.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import (
    CoreSchema,
    ErrorDetails,
    PydanticCustomError,
    PydanticKnownError,
    core_schema,
)

from adloom.stream.versions import upgrade

MAX_PAYLOAD_BYTES = 64 * 1024
MAX_CLOCK_SKEW = timedelta(minutes=5)
LARGEST_VALUE = 1e12

# Far from the ends of what pandas, parquet and time zone arithmetic can hold.
_FIRST_MOMENT = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MOMENT = datetime(2200, 1, 1, tzinfo=UTC)

Kind = Literal["impression", "click", "exposure", "outcome"]
NO_NUL = r"^[^\x00]*$"
"""Of texts that every store can keep: Postgres has none with that character."""
Name = Annotated[str, Field(min_length=1, max_length=128, pattern=NO_NUL)]


def _moment(value: Any) -> datetime:
    """ISO 8601 with a zone, in UTC: pydantic's own reading takes any number in text for seconds.

    Raises the errors that pydantic's own would, and `moment_form`.
    """
    # The parser knows forms without these marks too, which could be numbers.
    if type(value) is str and value[4:5] == "-" == value[7:8] and value[13:14] == ":":
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            if not value.endswith("z"):
                raise _no_moment() from None
            return _moment(value[:-1] + "Z")
        # It passes over one character before the time and before the zone, whatever they are.
        zone = -1 if value[-1] == "Z" else -6 if value[-3] == ":" else -5
        if value[10] not in "Tt " or not "0" <= value[zone - 1] <= "9":
            raise _no_moment()
    elif isinstance(value, datetime):
        at = value
    else:
        raise _no_moment()
    if at.tzinfo is not UTC and at.tzinfo is not None:
        try:
            at = at.astimezone(UTC)
        except OverflowError:
            raise _out_of_range(at) from None
    if at.tzinfo is UTC and _FIRST_MOMENT <= at < _LAST_MOMENT:
        return at
    raise _out_of_range(at)


def _out_of_range(at: datetime) -> PydanticKnownError:
    if at.tzinfo is None:
        return PydanticKnownError("timezone_aware")
    if at < _FIRST_MOMENT:
        return PydanticKnownError("greater_than_equal", {"ge": _FIRST_MOMENT.isoformat()})
    return PydanticKnownError("less_than", {"lt": _LAST_MOMENT.isoformat()})


def _no_moment() -> PydanticCustomError:
    told = "ISO 8601 with a zone is wanted, such as 2026-03-01T12:00:00Z"
    return PydanticCustomError("moment_form", told)


class _Read:
    """What pydantic reads a moment by."""

    def __get_pydantic_core_schema__(self, _: Any, __: Any) -> CoreSchema:
        told = core_schema.simple_ser_schema("datetime")
        return core_schema.no_info_plain_validator_function(_moment, serialization=told)


Moment = Annotated[datetime, _Read(), WithJsonSchema({"type": "string", "format": "date-time"})]


class Reason(StrEnum):
    """Why a payload is not an event."""

    TOO_LARGE = "too_large"
    NOT_JSON = "not_json"
    UNKNOWN_SCHEMA = "unknown_schema"
    UNDECODABLE = "undecodable"
    UNSUPPORTED_VERSION = "unsupported_version"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    OUT_OF_RANGE = "out_of_range"
    NO_TIME_ZONE = "no_time_zone"
    FUTURE_TIMESTAMP = "future_timestamp"
    NOT_A_PRODUCT = "not_a_product"


class InvalidEvent(ValueError):
    """A payload that is not an event; `detail` says in words what is wrong with it.

    `field` is the one that is wrong, as the sender calls it; none where it is the whole payload.
    """

    def __init__(self, reason: Reason, detail: str, field: str | None = None) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.field = field


class _Event(BaseModel):
    """What every event says.

    `ts` is when it happened, by the producer's clock, aware and kept in UTC. `propensity` is the
    probability with which `variant` was chosen; `position` counts from 0 at the top of the page.
    """

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    event_id: Name = Field(description="the same id counts once")
    ts: Moment = Field(description="when it happened: ISO 8601 with a zone, from 1970 to 2199")
    user_id: Name = Field(description="also the key of the record")
    item_id: Name = Field(description="id of the product")
    ad_id: Name | None = Field(default=None, description="of the ad, as POST /v1/ads answered it")
    variant: Name | None = Field(default=None, description="what chose the item or the ad")
    propensity: float | None = Field(
        default=None, gt=0, le=1, description="probability with which the variant was chosen"
    )
    position: int | None = Field(
        default=None, ge=0, lt=2**31, description="on the page, from 0 at its top"
    )
    context: dict[str, JsonValue] = Field(
        default_factory=dict, description="whatever else was known"
    )
    version: Literal[1] = 1


class Impression(_Event):
    """A user saw an item, or the shop's own ad of it."""


class Click(_Event):
    """A user clicked an item or an ad of it."""


class Exposure(_Event):
    """A user was served an ad that the loop made."""


class Outcome(_Event):
    """Something a user did that experiments are judged by, such as a purchase.

    It changes no features: it is kept in the event log, by its name and with its value.
    """

    item_id: str = Field(
        default="", max_length=128, pattern=NO_NUL, description='of the product; "" = of none'
    )
    name: Name = Field(description="what happened, such as purchase")
    value: float = Field(
        default=1.0,
        ge=-LARGEST_VALUE,
        le=LARGEST_VALUE,
        allow_inf_nan=False,
        description="what it is worth, such as a price; 1 = it counts",
    )


Event = Impression | Click | Exposure | Outcome

EVENT_TYPES: dict[Kind, type[Impression] | type[Click] | type[Exposure] | type[Outcome]] = {
    "impression": Impression,
    "click": Click,
    "exposure": Exposure,
    "outcome": Outcome,
}
OUTCOME_FIELDS = ("name", "value")
"""What an outcome says beside the fields that every event has."""
# What `model_validate_json` calls after looking at options: parsing is much of an event's cost.
_VALIDATE = {
    kind: model.__pydantic_validator__.validate_json for kind, model in EVENT_TYPES.items()
}
_KINDS: dict[type[Any], Kind] = {event_type: kind for kind, event_type in EVENT_TYPES.items()}


def kind_of(event: Event) -> Kind:
    """The word that names the type of an event."""
    return _KINDS[type(event)]


def encode(event: Event) -> bytes:
    """The event as JSON, UTF-8; fields without a value are left out."""
    return event.model_dump_json(exclude_none=True).encode()


def parse(kind: Kind, payload: bytes, now: datetime) -> Event:
    """Reads an event of a kind.

    Args:
        now: aware; an event more than five minutes later than this is from a wrong clock.

    Raises InvalidEvent, whatever the payload.
    """
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise InvalidEvent(
            Reason.TOO_LARGE, f"{len(payload)} bytes; at most {MAX_PAYLOAD_BYTES} are taken"
        )
    try:
        event: Event = _VALIDATE[kind](payload)
    except ValidationError as error:
        event = _of_another_version(kind, payload, error)
    refuse_future(event, now)
    return event


def refuse_future(event: Event, now: datetime, name: str = "ts") -> None:
    """Refuses an event that a wrong clock made; `name` is what the sender calls the moment.

    Raises InvalidEvent.
    """
    if event.ts > now + MAX_CLOCK_SKEW:
        raise InvalidEvent(
            Reason.FUTURE_TIMESTAMP,
            f"{name}: {event.ts.isoformat()} is later than {now.isoformat()}",
            name,
        )


def _of_another_version(kind: Kind, payload: bytes, refused: ValidationError) -> Event:
    told = refusal(refused)
    upgraded = None
    if told.reason is Reason.UNSUPPORTED_VERSION:
        upgraded = upgrade(payload)
    if upgraded is None:
        raise told from refused
    try:
        return EVENT_TYPES[kind].model_validate_json(upgraded)
    except ValidationError as error:
        raise refusal(error) from error


_BY_PATTERN = "string_pattern_mismatch"
_REASONS = {
    "json_invalid": Reason.NOT_JSON,
    "missing": Reason.MISSING_FIELD,
    "literal_error": Reason.UNSUPPORTED_VERSION,
    "timezone_aware": Reason.NO_TIME_ZONE,
    "less_than": Reason.OUT_OF_RANGE,
    "less_than_equal": Reason.OUT_OF_RANGE,
    "greater_than": Reason.OUT_OF_RANGE,
    "greater_than_equal": Reason.OUT_OF_RANGE,
    "finite_number": Reason.OUT_OF_RANGE,
    "string_too_short": Reason.OUT_OF_RANGE,
    "string_too_long": Reason.OUT_OF_RANGE,
    _BY_PATTERN: Reason.OUT_OF_RANGE,
}


def refusal(error: ValidationError, names: Mapping[str, str] | None = None) -> InvalidEvent:
    """One reason out of several: the version first, since it decides what fields mean.

    Args:
        names: what the sender calls a field of adloom's, where it calls it otherwise.
    """
    problems = [(_reason(problem), problem) for problem in error.errors(include_url=False)]
    order = list(Reason)
    reason, problem = min(problems, key=lambda found: order.index(found[0]))
    first, *inner = map(str, problem["loc"]) if problem["loc"] else ("",)
    field = ".".join([(names or {}).get(first, first), *inner])
    told = "it holds the character NUL" if problem["type"] == _BY_PATTERN else problem["msg"]
    return InvalidEvent(reason, f"{field}: {told}" if field else told, field or None)


def _reason(problem: ErrorDetails) -> Reason:
    if problem["type"] == "less_than" and problem["loc"] == ("ts",):
        return Reason.FUTURE_TIMESTAMP
    return _REASONS.get(problem["type"], Reason.WRONG_TYPE)
