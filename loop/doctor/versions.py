"""MLflow: whether it lets adloom in, and what serves by it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from typing import Any

import requests

from adloom.loop.doctor.clocks import Clock
from adloom.loop.doctor.finding import Check, Finding, judged
from adloom.loop.doctor.sqlite_files import looked_through
from adloom.loop.learning.lineage_tags import BASE_FOLDER, BASE_NAME, BUNDLED
from adloom.loop.learning.listing import listed
from adloom.loop.learning.own_mlflow import is_made, own_file, own_uri
from adloom.loop.learning.registered_model import Version
from adloom.loop.learning.registry import CHALLENGER, CHAMPION, UNDECIDED, AdRegistry
from adloom.loop.learning.registry_errors import mlflow_asked, without_login
from adloom.loop.settings import Settings

PART = "mlflow"
_SECONDS = (3.0, 4.0)
_ALIASES = (CHAMPION, CHALLENGER, UNDECIDED)
_REMEDY = "put a copy back; what serves goes on until then"
_OLDEST = 3
_WRITING = {"EDIT", "MANAGE"}


def versions_check(settings: Settings, now: Callable[[], float] = time.time) -> Check:
    """Of a server or database that is set, or of the file under the home."""
    uri, folder = settings.mlflow.tracking_uri, settings.home.resolve() / "mlflow"
    if uri is None:
        file = own_file(folder)
        return Check(PART, str(file), "home", partial(_look_at_own, settings, folder, file))
    import mlflow  # noqa: F401 - it takes seconds, which are none of the server's

    from adloom.loop.learning import mlflow_client  # noqa: F401

    where = f"MLflow at {without_login(uri)}"
    return Check(PART, where, "mlflow.tracking_uri", partial(_look, settings, uri, where, now))


def _look_at_own(settings: Settings, folder: Path, file: Path) -> Iterator[Finding]:
    if not is_made(folder):
        yield Finding(PART, f"{file} is not there yet: it is made by adloom serve and train-round")
        return
    told, problem = looked_through(file, _REMEDY)
    if problem is not None:
        yield Finding(PART, f"SQLite, {told}", "wrong", problem)
        return
    name = settings.mlflow.model_name
    found = listed(own_uri(folder), name) or []
    looked_at = f"SQLite, {told}, {_of_versions(found, name)}"
    yield judged(PART, looked_at, [], _notes(found, settings.generator.path))


def _look(settings: Settings, uri: str, where: str, now: Callable[[], float]) -> Iterator[Finding]:
    clock, version, may = Clock(now), "", list[str]()
    if uri.startswith(("http://", "https://")):
        with mlflow_asked(uri):
            answer = clock.hold(lambda: _asked(f"{uri.rstrip('/')}/version"), grain=1.0)
        version = f" {answer.text.strip()}" if answer.ok and len(answer.text) < 20 else ""
    registry = AdRegistry(settings.mlflow, settings.home / "mlflow")
    found = registry.versions()
    if uri.startswith(("http://", "https://")):
        may = _rights(uri, settings.mlflow.model_name, bool(found))
    wrong = [*_too_old(version), *clock.wrong]
    notes = [*_notes(found, settings.generator.path), *may, *clock.notes]
    champion = next((v for v in found if CHAMPION in v.aliases), None)
    if champion is not None and not champion.is_base and not registry.adapters.kept(champion):
        logged = registry.logged.find(champion.run_id)
        if logged is None or not logged.files:
            wrong.append(
                f"the files of version {champion.number}, which is @champion, cannot be listed: "
                "see to MLflow's artifact store, or adloom promote another"
            )
    told = f"{where}{version}, {_of_versions(found, settings.mlflow.model_name)}, {clock.told}"
    yield judged(PART, told, wrong, notes)


def _asked(url: str) -> tuple[requests.Response, float | None]:
    answer = requests.get(url, timeout=_SECONDS, allow_redirects=False)
    date = answer.headers.get("Date")
    return answer, None if date is None else parsedate_to_datetime(date).timestamp()


def _of_versions(found: Sequence[Version], name: str) -> str:
    if not found:
        return f"no version of {name} yet"
    named = {
        alias: version.number for version in found for alias in version.aliases if alias in _ALIASES
    }
    told = ", ".join(f"@{alias} is {named[alias]}" for alias in _ALIASES if alias in named)
    bases = {version.tags[BASE_NAME][:8] for version in found if BASE_NAME in version.tags}
    of = f" of base {', '.join(sorted(bases))}" if bases else ""
    many = f"{len(found)} version{'' if len(found) == 1 else 's'}"
    return f"{many} of {name}{of}, {told or 'no alias'}"


def _too_old(version: str) -> list[str]:
    major = version.strip().partition(".")[0]
    if not major.isdigit() or int(major) >= _OLDEST:
        return []
    return [f"MLflow{version} is too old: install {_OLDEST}.0 or later on the server"]


def _notes(found: Sequence[Version], base: Path | None) -> list[str]:
    notes = []
    if found and not any(CHAMPION in version.aliases for version in found):
        notes.append("no version is @champion: adloom promote VERSION")
    theirs = next((v.tags[BASE_FOLDER] for v in found if BASE_FOLDER in v.tags), None)
    if theirs is not None and (theirs == BUNDLED) != (base is None):
        notes.append(
            f"the versions are of {theirs}, and generator.path is {base or 'that of the bundled'}: "
            "only versions of the base that draws can be served"
        )
    return notes


def _rights(uri: str, model: str, registered: bool) -> list[str]:
    """What a login lacks for rounds and promotions, where the server tells such rights at all."""
    user, password = (os.environ.get(f"MLFLOW_TRACKING_{w}") for w in ("USERNAME", "PASSWORD"))
    if not (user and password and registered):
        return []
    asked = f"{uri.rstrip('/')}/api/3.0/mlflow/users/current/permissions"
    try:
        answer = requests.get(asked, auth=(user, password), timeout=_SECONDS, allow_redirects=False)
        told: Any = answer.json() if answer.ok else None
        if not isinstance(told, dict) or told.get("is_admin", True):
            return []
        granted = told.get("permissions", ())
        if any(_is_writing(one, model) for one in granted):
            return []
    except (requests.RequestException, ValueError, AttributeError):
        return []
    return [
        f"user {user} may not write {model}, as far as MLflow tells: rounds and promotions need it"
    ]


def _is_writing(granted: dict[str, Any], model: str) -> bool:
    of = str(granted.get("resource_pattern", granted.get("resource_id", "")))
    kind = str(granted.get("resource_type", ""))
    return kind == "registered_model" and of in (model, "*") and granted["permission"] in _WRITING
