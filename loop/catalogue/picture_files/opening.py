"""The files of a shop's pictures, as the settings place them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from adloom.loop.catalogue.hashed_files import HashedFiles
from adloom.loop.catalogue.picture_files.files import Files
from adloom.loop.catalogue.picture_files.object_store import ObjectStore
from adloom.loop.catalogue.picture_files.stored import StoredFiles
from adloom.loop.catalogue.picture_files.waiting import WaitingFiles
from adloom.loop.catalogue.picture_files.webp_folder import WebpFolder
from adloom.loop.settings.pictures import PicturesSettings, scheme_of

IN_HOME = PicturesSettings()
"""A folder under the home."""


@dataclass(frozen=True)
class PictureFiles:
    """Where pictures lie.

    Attributes:
        webp: what new pictures are written to.
        png: the ads of earlier releases, read only.
        store: what has to answer; None for folders.
        waiting: pictures that the store has not taken yet; None where they are refused then.
        public_url: where shoppers get what the place holds.
    """

    webp: Files
    png: Files
    store: ObjectStore | None = None
    waiting: WaitingFiles | None = None
    public_url: str | None = None

    @property
    def problem(self) -> str | None:
        """What is wrong with the place, in one line."""
        if self.store is None:
            return self.webp.problem if isinstance(self.webp, WebpFolder) else None
        if (problem := self.store.problem) is None:
            return None
        many = 0 if self.waiting is None else self.waiting.count
        return f"{problem}; {many} pictures wait here until then" if many else problem

    def watch(self, stop: threading.Event) -> None:
        """See to the store until ``stop`` is set, and give it what waits."""
        assert self.store is not None
        send: Callable[[], None] = (lambda: None) if self.waiting is None else self.waiting.send
        self.store.watch(stop, send)


def open_files(home: Path, settings: PicturesSettings, *, keep_waiting: bool) -> PictureFiles:
    """Files under the home, or where the settings say; nothing is asked of a store yet.

    Args:
        keep_waiting: what a store does not take waits on this machine; else it is refused.

    Raises PicturesAway where what speaks to the store is not installed.
    """
    public = settings.public_url
    if settings.url is None:
        webp, png = folders_of(home)
        return PictureFiles(webp, png, public_url=public)
    if scheme_of(settings.url) == "file":
        folder = Path(settings.url)
        return PictureFiles(WebpFolder(folder), HashedFiles(folder, ".png"), public_url=public)
    store = ObjectStore(settings)
    kept, png_files = (
        StoredFiles(store, ".webp", "image/webp"),
        StoredFiles(store, ".png", "image/png"),
    )
    if not keep_waiting:
        return PictureFiles(kept, png_files, store, public_url=public)
    waiting = WaitingFiles(kept, waiting_folder(home), ".webp")
    return PictureFiles(waiting, png_files, store, waiting, public)


def waiting_folder(home: Path) -> Path:
    """Where pictures lie that an object store has not taken yet."""
    return home / "pictures-waiting"


def folders_of(home: Path) -> tuple[WebpFolder, HashedFiles]:
    """What a home keeps of its own: WebP, and the PNG of earlier releases."""
    return WebpFolder(home / "catalogue" / "pictures"), HashedFiles(
        home / "creatives" / "png", ".png"
    )
