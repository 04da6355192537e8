"""The place of the pictures: under the home, a folder that machines share, or an object store."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from adloom.loop.catalogue.picture_files.left_behind import pictures_left_behind
from adloom.loop.catalogue.picture_files.object_store import ObjectStore
from adloom.loop.catalogue.picture_files.opening import waiting_folder
from adloom.loop.database.opening import OldHome
from adloom.loop.doctor.finding import Check, Finding, judged
from adloom.loop.doctor.folders import writable
from adloom.loop.settings import Settings
from adloom.loop.settings.pictures import scheme_of

PART = "pictures"
_SECONDS = 4.0
_NEVER_KEPT = "0" * 64


def pictures_check(settings: Settings) -> Check:
    """Of wherever they are."""
    url = settings.pictures.url
    where = url or str(settings.home / "catalogue" / "pictures")
    look = _look_at_store if url and scheme_of(url) != "file" else _look_at_folder
    mended = "pictures.url, pictures.endpoint_url and its login in the environment"
    return Check(PART, where, mended, partial(look, settings, where))


def _look_at_folder(settings: Settings, where: str) -> Iterator[Finding]:
    folder = Path(where)
    told, wrong, notes = writable(folder, "pictures.url" if settings.pictures.url else "home")
    if settings.pictures.url and not folder.exists():
        wrong.append(f"{folder} is not there: mount it, or mend pictures.url")
    wrong += [str(OldHome(left)) for left in pictures_left_behind(settings.home, settings.pictures)]
    yield judged(PART, f"{where}: {told}", wrong, notes)


def _look_at_store(settings: Settings, where: str) -> Iterator[Finding]:
    store = ObjectStore(settings.pictures, _SECONDS)
    wrong = [str(OldHome(left)) for left in pictures_left_behind(settings.home, settings.pictures)]
    waiting = sum(1 for _ in waiting_folder(settings.home).glob("??/*"))
    store.look()
    if store.problem is not None:
        wrong.insert(0, store.problem)
    else:
        store.size(f"{_NEVER_KEPT[:2]}/{_NEVER_KEPT}.webp")
        store.check_rights()
    kept = f"{waiting:,} pictures wait on this machine: adloom serve sends them"
    notes = [kept] if waiting else []
    endpoint = settings.pictures.endpoint_url
    told = f"{where}{f' at {endpoint}' if endpoint else ''}: reached, listed and to be written"
    yield judged(PART, where if wrong else told, wrong, notes)
