"""What was measured, with the machine and the command that printed it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

_OWN = Path(__file__).with_name("figures.json")
_MOST_BYTES = 1 << 20
_DRAWING = "ads_per_second"
_COMMITS_SECONDS = 2.0  # between the commits of a member in `adloom bench log`
_PLAIN = {
    "kafka_bytes_an_event": "kafka_bytes_per_event",
    "log_bytes_an_event": "log_bytes_per_event",
    "database_bytes_an_ad": "database_bytes_per_ad",
    "picture_bytes_an_ad": "picture_bytes_per_ad",
    "server_bytes_a_user": "redis_bytes_per_user",
}
"""Keys of the benchmarks that print bytes, and the figures that they are."""


class Figure(BaseModel):
    """One figure.

    Attributes:
        name: such as events_per_second; of drawing with the shape of the base behind it.
        value: in ``unit``.
        machine: that it was measured on.
        measured: the day, and the commit that the README had it from.
        command: that printed it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    value: float = Field(gt=0, allow_inf_nan=False)
    unit: str
    machine: str
    measured: str
    command: str


class UnknownFigures(ValueError):
    """A file holds no figures that capacity is reckoned from; the message says what it may hold."""


Figures = Mapping[str, Figure]

_FIGURES = TypeAdapter(list[Figure])
_RATES = TypeAdapter(dict[str, float])


def drawing(shape: str) -> str:
    """The name of the figure of drawing with a base of a shape."""
    return f"{_DRAWING} {shape}"


def own_figures() -> dict[str, Figure]:
    """Those that come with adloom, by name."""
    return {figure.name: figure for figure in _FIGURES.validate_json(_OWN.read_bytes())}


def shapes(figures: Figures) -> list[str]:
    """The shapes of bases that were measured."""
    return [name.removeprefix(f"{_DRAWING} ") for name in figures if name.startswith(_DRAWING)]


def figures_in(file: Path, shape: str) -> dict[str, Figure]:
    """A shop's own: the JSON of `adloom bench` as it is, or a list as adloom's own file has it.

    ``shape`` is that of the base of a `bench generate`. Raises UnknownFigures, OSError.
    """
    if file.stat().st_size > _MOST_BYTES:
        raise UnknownFigures(f"{file} has more than {_MOST_BYTES} bytes: it is no benchmark's JSON")
    try:
        told = TypeAdapter(Any).validate_json(file.read_bytes())
        if isinstance(told, list):
            found = {figure.name: figure for figure in _FIGURES.validate_python(told)}
        else:
            found = {one.name: one for one in _of_bench(told, file.name, shape)}
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UnknownFigures(f"{file}: {f'{where}: ' if where else ''}{first['msg']}") from error
    if not found:
        raise UnknownFigures(
            f"{file} has no figures that are known: give the JSON of adloom bench stream, log or "
            "generate, or of the benchmarks of bytes"
        )
    return found


def _of_bench(told: Any, file: str, shape: str) -> Iterator[Figure]:
    if not isinstance(told, dict):
        return
    for name, value, unit, command in (
        *_of_stream(told),
        *_of_log(told),
        *_of_generate(told, shape),
        *(
            (_PLAIN[key], told[key], "bytes", "its benchmark")
            for key in _PLAIN.keys() & told.keys()
        ),
    ):
        yield Figure(
            name=name,
            value=value,
            unit=unit,
            machine=str(told.get("device", "the shop's own")),
            measured=file,
            command=command,
        )


_Found = Iterator[tuple[str, Any, str, str]]


def _of_stream(told: dict[str, Any]) -> _Found:
    rates = told.get("events_per_second")
    if isinstance(rates, dict):
        for name in ("redis_adloom", "zipf_adloom", "sqlite_adloom"):
            if name in rates:
                yield "events_per_second", rates[name], "events/s", "adloom bench stream"
                return


def _of_log(told: dict[str, Any]) -> _Found:
    members = told.get("members")
    if isinstance(members, dict):
        # Loads at which every event came into the log once.
        held = [
            int(number)
            for number, one in members.items()
            if number.isdigit()
            and isinstance(one, dict)
            and not one.get("lost")
            and not one.get("doubled")
        ]
        if held:
            rate = max(held) / _COMMITS_SECONDS
            yield "log_commits_per_second", rate, "commits/s", "adloom bench log"


def _of_bytes(told: dict[str, Any]) -> _Found:
    for key in _PLAIN.keys() & told.keys():
        yield _PLAIN[key], told[key], "bytes", "its benchmark"


def _of_generate(told: dict[str, Any], shape: str) -> _Found:
    rates = told.get(_DRAWING)
    if rates:
        best = max(_RATES.validate_python(rates).values())
        yield drawing(shape), best, "ads/s", "adloom bench generate"
