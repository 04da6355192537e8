"""What a row of a click log stands for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from adloom.loop.replay.layout import Layout
from adloom.stream.event_settings import KindSource
from adloom.stream.events import InvalidEvent, Kind, Reason
from adloom.stream.paths import taking

KindsOf = Callable[[Mapping[str, Any]], Sequence[Kind]]
"""From a row to the kinds of its events: none where the settings leave it out."""

_SHOWN: Sequence[Kind] = ("impression",)
_CLICKED: Sequence[Kind] = ("impression", "click")
_REPLAYED: Sequence[Kind] = ("impression", "click", "exposure")
_KIND_COLUMNS = ("kind", "event")
_YES_OR_NO = TypeAdapter(bool)


class NoKind(InvalidEvent):
    """A row that does not tell what it stands for."""


def kinds_by(layout: Layout) -> KindsOf:
    """What tells the kinds of rows, and raises InvalidEvent where a row does not."""
    if layout.kind is not None:
        every: Sequence[Kind] = (layout.kind,)
        return lambda _: every
    source = layout.events.kind
    if source is not None and not layout.columns.keys() & {"click", "kind"}:
        return _by_settings(source)
    click = layout.columns.get("click", "click")
    columns = [layout.columns["kind"]] if "kind" in layout.columns else _KIND_COLUMNS

    def kinds(fields: Mapping[str, Any]) -> Sequence[Kind]:
        if click in fields:
            return _CLICKED if _is_yes(click, fields[click]) else _SHOWN
        for column in columns:
            if column in fields:
                return [_kind(column, fields[column])]
        raise NoKind(
            Reason.MISSING_FIELD,
            f"no column {click} or {columns[0]}; where it has another name: --map click=NAME; "
            "where every row is a click: --kind click",
        )

    return kinds


def _by_settings(source: KindSource) -> KindsOf:
    take, known = taking(source.path), source.kinds()
    for outcome in source.outcome:  # a click log is replayed for what was shown and clicked
        known.pop(outcome)

    def kinds(fields: Mapping[str, Any]) -> Sequence[Kind]:
        told = take(fields)
        kind = known.get(told) if isinstance(told, str) else None
        if kind is not None:
            return [kind]
        if told in source.outcome or (isinstance(told, str) and source.others == "drop"):
            return []
        raise InvalidEvent(Reason.WRONG_TYPE, f"{source.path}: no kind of event")

    return kinds


def _kind(column: str, value: Any) -> Kind:
    told = str(value).strip().lower()
    for kind in _REPLAYED:
        if told == kind:
            return kind
    raise InvalidEvent(Reason.WRONG_TYPE, f"{column}: none of {', '.join(_REPLAYED)}")


def _is_yes(column: str, value: Any) -> bool:
    """Only 1 and 0, however they are written, yes and no: any other number is no click."""
    try:
        told = float(value)  # of text such as 1.0, too
    except (TypeError, ValueError, OverflowError):
        told = value
    try:
        return _YES_OR_NO.validate_python(told)
    except ValidationError as error:
        raise InvalidEvent(Reason.WRONG_TYPE, f"{column}: neither 0 nor 1", column) from error
