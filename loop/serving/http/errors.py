"""What a refused request is answered: which field is wrong, and never what was in it."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from kafka.errors import KafkaError
from pydantic import BaseModel, Field
from sqlalchemy.exc import DatabaseError, DataError
from sqlalchemy.exc import TimeoutError as NoConnection
from starlette.requests import ClientDisconnect

from adloom.feature_store.backend import FeaturesLost, StoreDamaged, StoreUnavailable
from adloom.loop.catalogue.picture_files.files import PicturesAway
from adloom.loop.database.health import DatabaseUnusable
from adloom.loop.learning.registry_errors import RegistryRefused, RegistryUnavailable
from adloom.loop.serving.apart.watched import DrawingDied
from adloom.loop.serving.drawing_queue import DrawingEnded, QueueFull
from adloom.loop.serving.http.counting import refused_by
from adloom.loop.serving.http.once import Once
from adloom.loop.serving.http.pools import NoRoom
from adloom.stream.cluster.refusals import BrokerUnavailable, KafkaRefused
from adloom.stream.producer import DeliveryFailed

_log = logging.getLogger("adloom.serve")

_PARTS: dict[type[Exception], str] = {
    StoreDamaged: "the feature store is damaged: /readyz says why",
    StoreUnavailable: "the feature store is away",
    FeaturesLost: "the feature store has lost features: /readyz says which",
    DatabaseUnusable: "the database of catalogue and creatives cannot be used: /readyz says why",
    DatabaseError: "the database of catalogue and creatives is away",
    NoConnection: "the database of catalogue and creatives answers too slowly",
    PicturesAway: "the pictures are away: /readyz says why",
    DrawingEnded: "what draws has ended: the server has to be started again",
    DrawingDied: "what draws had to be started again over this, twice: the log says why",
    KafkaRefused: "the broker refuses adloom's events: /readyz says why",
}
PARTS_AWAY = (
    StoreUnavailable,
    FeaturesLost,
    BrokerUnavailable,
    KafkaRefused,
    DeliveryFailed,
    KafkaError,
    DatabaseError,
    NoConnection,
    DatabaseUnusable,
    PicturesAway,
    DrawingEnded,
    DrawingDied,
)
"""What is answered by 503, with the part's name."""


class FieldProblem(BaseModel):
    """A field, as the path to it, and what is wrong with it."""

    loc: list[str | int]
    msg: str
    type: str


class Refusal(BaseModel):
    """Why a request was not answered."""

    detail: str | list[FieldProblem] = Field(
        examples=[
            [
                {
                    "loc": ["body", "product_id"],
                    "msg": "the shop has no product 'unicorn'",
                    "type": "not_found",
                }
            ]
        ]
    )


NOBODY_WAITS = "nobody waits for it any more"
"""Said to who has hung up: for the log and for metrics."""

_MEANINGS = {
    400: "the body cannot be read",
    401: "a known key is needed (X-API-Key)",
    403: "sent by the page of another site, or by a key whose role may not do this",
    404: "not known here",
    408: "the body did not arrive in time",
    409: "not possible as things are",
    413: "the body is too large",
    415: "not a media type that is taken",
    422: "a field is missing or wrong",
    429: "too many requests: come back after Retry-After seconds",
    500: "the ad could not be drawn",
    503: "not ready, or a part is away: come back after Retry-After seconds",
    504: "the ad was not drawn in time",
}


GUARDED = (400, 401, 403, 408, 413, 422, 429)
"""What any route that asks for a key, and has limits, may refuse with."""


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that may refuse with these."""
    return {s: {"model": Refusal, "description": _MEANINGS[s]} for s in statuses}


def problem(
    field: str, message: str, kind: str = "not_found", place: str = "body"
) -> list[dict[str, object]]:
    """The detail of a refusal for one field; dots lead to one within another."""
    return [{"loc": [place, *field.split(".")], "msg": message, "type": kind}]


def answer_errors(app: FastAPI) -> None:
    """Bad fields by name without their values; 429 and 503 with when to come back."""

    @app.exception_handler(RequestValidationError)
    async def bad_fields(_: Request, error: RequestValidationError) -> JSONResponse:
        # Not the input: it may be a secret, and need not be text that JSON can hold.
        told = [
            {"loc": [_printable(part) for part in p["loc"]], "msg": p["msg"], "type": p["type"]}
            for p in error.errors()
        ]
        return JSONResponse({"detail": told}, status_code=422)

    @app.exception_handler(DataError)
    async def no_such_text(_: Request, error: Exception) -> JSONResponse:
        # Postgres alone: of all that is asked for by a client, only that is no value there.
        told = "a text of the request holds the character NUL: leave it out"
        return JSONResponse({"detail": told}, status_code=422)

    @app.exception_handler(QueueFull)
    async def queue_full(request: Request, error: Exception) -> JSONResponse:
        refused_by(request.scope, "queue_full")
        headers = {"Retry-After": "1"}
        return JSONResponse({"detail": str(error)}, status_code=429, headers=headers)

    @app.exception_handler(ClientDisconnect)
    async def hung_up(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": NOBODY_WAITS}, status_code=499)

    @app.exception_handler(NoRoom)
    async def no_room(_: Request, error: Exception) -> JSONResponse:
        headers = {"Retry-After": "5"}
        return JSONResponse({"detail": str(error)}, status_code=503, headers=headers)

    @app.exception_handler(RegistryUnavailable)
    @app.exception_handler(RegistryRefused)
    async def registry_says(_: Request, error: Exception) -> JSONResponse:
        # A right that the server lacks in MLflow; its own wrong login is no matter of the client.
        if isinstance(error, RegistryRefused) and error.status == 403:
            return JSONResponse({"detail": str(error)}, status_code=403)
        headers = {"Retry-After": "5"}
        return JSONResponse({"detail": str(error)}, status_code=503, headers=headers)

    logged = Once()

    async def part_away(_: Request, error: Exception) -> JSONResponse:
        logged.warn(_log, f"a part is away: {error}")
        headers = {"Retry-After": "5"}
        return JSONResponse({"detail": away(error)}, status_code=503, headers=headers)

    for kind in PARTS_AWAY:
        app.add_exception_handler(kind, part_away)


def away(error: Exception) -> str:
    """Which part an error of `PARTS_AWAY` is of, and how that is; no more than anyone may know."""
    found = (told for kind, told in _PARTS.items() if isinstance(error, kind))
    return next(found, "the broker is away")


def _printable(part: str | int) -> str | int:
    return part if isinstance(part, int) else part.encode(errors="replace").decode()[:128]
