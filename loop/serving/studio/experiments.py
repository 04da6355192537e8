"""The experiments of the settings: which there are, and what each has shown so far."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request
from pydantic import BaseModel, Field

from adloom.loop.experiments.reading.reading import read_experiment
from adloom.loop.experiments.reading.sentences import sentences
from adloom.loop.experiments.report import choose_experiment
from adloom.loop.experiments.running import unservable_arms
from adloom.loop.serving.http.access import Admitted
from adloom.loop.serving.http.errors import GUARDED, problem, refusals
from adloom.loop.serving.http.routes import running
from adloom.loop.serving.server import AdServer

_READ_EVERY_SECONDS = 60.0

router = APIRouter()


class ExperimentListed(BaseModel):
    """An experiment of the settings."""

    name: str
    start: datetime
    end: datetime | None
    runs: bool
    arms: list[str]


class ExperimentList(BaseModel):
    """All of them, the latest first; ``latest`` is the one that runs or ran last."""

    experiments: list[ExperimentListed]
    latest: str | None


class ExperimentShown(BaseModel):
    """What `adloom experiment report` tells, at most a minute old."""

    sentences: list[str]
    reading: dict[str, Any] = Field(description="as `adloom experiment report NAME --json`")


class Readings:
    """Experiments as they were read last; one is read at a time, however many people look."""

    def __init__(self, server: AdServer) -> None:
        self._server = server
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[float, ExperimentShown]] = {}

    def of(self, name: str) -> ExperimentShown:
        """What an experiment of the settings has shown."""
        with self._lock:
            read_at, kept = self._kept.get(name, (0.0, None))
            if kept is None or time.monotonic() - read_at >= _READ_EVERY_SECONDS:
                kept = self._read(name)
                self._kept[name] = (time.monotonic(), kept)
            return kept

    def _read(self, name: str) -> ExperimentShown:
        server = self._server
        found = read_experiment(
            server.features.log,
            name,
            server.settings.experiments[name],
            attribution=timedelta(hours=server.settings.rounds.attribution_hours),
            products=server.catalogue.find,
            unservable=unservable_arms(
                name, server.settings.experiments[name], server.registry, datetime.now(UTC)
            ),
        )
        return ExperimentShown(sentences=sentences(found), reading=found.as_json())


def readings(request: Request) -> Readings:
    """Kept for all who look."""
    state = request.app.state
    if not hasattr(state, "readings"):
        state.readings = Readings(running(request))
    kept: Readings = state.readings
    return kept


@router.get("/api/experiments", responses=refusals(*GUARDED), dependencies=Admitted)
def listed(request: Request) -> ExperimentList:
    """The experiments of the settings."""
    now, defined = datetime.now(UTC), running(request).settings.experiments
    experiments = [
        ExperimentListed(
            name=name, start=e.start, end=e.end, runs=e.runs_at(now), arms=list(e.arms)
        )
        for name, e in sorted(defined.items(), key=lambda named: named[1].start, reverse=True)
    ]
    latest = choose_experiment(defined, None, now) if defined else None
    return ExperimentList(experiments=experiments, latest=latest)


@router.get("/api/experiments/{name}", responses=refusals(*GUARDED, 404), dependencies=Admitted)
def shown(
    name: str, request: Request, kept: Annotated[Readings, Depends(readings)]
) -> ExperimentShown:
    """Arms, intervals over time, parts of the shop, verdict, and what they say in sentences."""
    if name not in running(request).settings.experiments:
        told = "the settings define no experiment of this name"
        raise HTTPException(404, problem("name", told, "not_found", "path"))
    return kept.of(name)
