"""Settings of events of one's own: how they read as adloom's, and which are left out."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    model_validator,
)

from adloom.stream.events import Kind
from adloom.stream.moments import TimeUnit
from adloom.stream.patterns import compile_pattern


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("not a time zone, such as Europe/Berlin") from error
    return name


def _steps(path: str) -> str:
    if not all(path.split(".")):
        raise ValueError("not a path, such as page.context or items.0.id")
    return path


def _scalar(value: Any) -> str | bool | int | float | None:
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    raise ValueError("text, a number, true or false")


def _pattern(text: str) -> str:
    compile_pattern(text)
    return text


Path = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(_steps)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FieldSource(_Part):
    """Where one field comes from: a path in the payload, or the same value for all."""

    path: Path | None = None
    value: JsonValue = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.path is None) == (self.value is None):
            raise ValueError("give either path or value")
        return self


class MomentSource(FieldSource):
    """Where `ts` comes from, and how it is written."""

    unit: TimeUnit | None = Field(
        default=None, description="of numbers since 1970; none = ISO 8601"
    )
    zone: Annotated[str, AfterValidator(_zone)] | None = Field(
        default=None, description="of moments that tell none, such as Europe/Berlin"
    )


class IdSource(FieldSource):
    """Where `event_id` comes from; made of the whole payload where that tells none."""

    hash: bool = False

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if sum((self.path is not None, self.value is not None, self.hash)) != 1:
            raise ValueError('give either path or value, or "hash" alone')
        return self


def _path_alone(given: Any) -> Any:
    if isinstance(given, str):
        return {"path": given}
    if not isinstance(given, (dict, FieldSource)):
        raise ValueError('give a path, such as "page.user", {path = ...} or {value = ...}')
    return given


def _id_alone(given: Any) -> Any:
    return {"hash": True} if given == "hash" else _path_alone(given)


Source = Annotated[FieldSource, BeforeValidator(_path_alone)]
Moment = Annotated[MomentSource, BeforeValidator(_path_alone)]
Id = Annotated[IdSource, BeforeValidator(_id_alone)]


class FieldMap(_Part):
    """`[events.fields]`: adloom's fields by own names; what is not named has adloom's own name."""

    event_id: Id | None = Field(
        default=None, description='"hash" = made of the payload: the same payload counts once'
    )
    ts: Moment | None = None
    user_id: Source | None = None
    item_id: Source | None = None
    ad_id: Source | None = None
    variant: Source | None = None
    propensity: Source | None = None
    position: Source | None = None
    context: Source | None = Field(default=None, description="an object")
    extra: dict[Annotated[str, Field(min_length=1, max_length=128)], Source] = Field(
        default={}, description="fields beside adloom's own that are kept in the log"
    )

    @model_validator(mode="after")
    def _extra_has_names_of_its_own(self) -> Self:
        taken = sorted(self.extra.keys() & (EVENT_FIELDS | {"version"}))
        if taken:
            raise ValueError(f"extra.{taken[0]}: this is a field of adloom's: leave out extra")
        return self

    def over(self, other: FieldMap) -> Self:
        """This map, and the other one where it says nothing."""
        theirs = {
            name: getattr(other, name) for name in other.model_fields_set - self.model_fields_set
        }
        return self.model_copy(update=theirs | {"extra": other.extra | self.extra})


EVENT_FIELDS = FieldMap.model_fields.keys() - {"extra"}


class OutcomeMap(FieldMap):
    """`[events.outcome]`: the same of outcomes, with what only they say."""

    name: Source | None = None
    value: Source | None = None


class KindSource(_Part):
    """`[events.kind]`: what the payload itself tells of its kind, where a topic carries several."""

    path: Path
    impression: tuple[str, ...] = ()
    click: tuple[str, ...] = ()
    exposure: tuple[str, ...] = ()
    outcome: tuple[str, ...] = ()
    others: Literal["drop", "refuse"] = Field(
        default="drop", description="what becomes of events of other kinds, such as searches"
    )

    @model_validator(mode="after")
    def _each_value_once(self) -> Self:
        values = (*self.impression, *self.click, *self.exposure, *self.outcome)
        if not values:
            raise ValueError("say which values mean a click: click = ['click', 'tap']")
        twice = {value for value in values if values.count(value) > 1}
        if twice:
            raise ValueError(f"{twice.pop()!r} cannot be of two kinds")
        return self

    def kinds(self) -> dict[str, Kind]:
        """The kind that each value means."""
        named: dict[Kind, tuple[str, ...]] = {
            "impression": self.impression,
            "click": self.click,
            "exposure": self.exposure,
            "outcome": self.outcome,
        }
        return {value: kind for kind, values in named.items() for value in values}


class DropRule(_Part):
    """One of `[[events.drop]]`: events to leave out, such as those of bots."""

    field: Path = Field(description="path in the payload")
    equals: Annotated[Any, AfterValidator(_scalar)] = None
    matches: (
        Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_pattern)] | None
    ) = Field(default=None, description="regular expression (RE2) found anywhere in the text")
    name: str | None = Field(
        default=None, pattern=r"^[\w.-]{1,64}$", description="in counts; none = the field"
    )

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.equals is None) == (self.matches is None):
            raise ValueError("give either equals or matches")
        return self


class EventSettings(_Part):
    """`[events]`: impressions and clicks as the shop's own programs write them.

    Events that adloom sends itself are never read by the map: they are marked.
    """

    fields: FieldMap | None = None
    impression: FieldMap | None = Field(default=None, description="over fields, for impressions")
    click: FieldMap | None = Field(default=None, description="over fields, for clicks")
    exposure: FieldMap | None = Field(
        default=None, description="over fields; none = exposures are in adloom's own form"
    )
    outcome: OutcomeMap | None = Field(default=None, description="over fields, for outcomes")
    kind: KindSource | None = None
    drop: tuple[DropRule, ...] = Field(default=(), max_length=100)

    def map_of(self, kind: Kind) -> FieldMap | None:
        """How events of a kind are read; None where they are in adloom's own form."""
        own: FieldMap | None = getattr(self, kind)
        told = own is not None or bool(self.kind and getattr(self.kind, kind))
        if told or (kind != "exposure" and self.fields is not None):
            own = own or (OutcomeMap() if kind == "outcome" else FieldMap())
            return own.over(self.fields or FieldMap())
        return None
