"""An object store, spoken to through fsspec: nothing that it does holds anybody up for long."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Literal

from adloom.loop.catalogue.picture_files.files import PicturesAway
from adloom.loop.catalogue.picture_files.metrics import FAILED, SECONDS
from adloom.loop.settings.pictures import PackageMissing, PicturesSettings, package_of, scheme_of

_log = logging.getLogger("adloom.catalogue")

_SECONDS = 10.0
_CONNECT_SECONDS = 3.0
_LOOK_SECONDS = 5.0  # how often a server sees whether the store answers
_FOR_EVER = "public, max-age=31536000, immutable"

Call = Literal["read", "write", "look"]


class ObjectStore:
    """A bucket and what stands before the names in it. Safe to use from several threads.

    While a thread watches it (`watch`), a store that does not answer is asked by that thread
    alone: everybody else is told at once, so that nothing waits for it again and again.
    """

    def __init__(self, settings: PicturesSettings, seconds: float = _SECONDS) -> None:
        """Nothing is asked of it yet. ``seconds`` is how long a call may take.

        Raises PicturesAway where what speaks to such stores is not installed.
        """
        assert settings.url is not None
        self._scheme = scheme_of(settings.url)
        self._root = settings.url.partition("://")[2].strip("/")
        self._where = settings.url
        self._seconds = seconds
        self._lock = threading.Lock()
        self._watched = False
        self._away: str | None = None
        self._fs = _file_system(settings, self._scheme, seconds)

    @property
    def problem(self) -> str | None:
        """Why it could not be used when it was last asked, in one line; None: it could."""
        return self._away

    def read(self, key: str, most: int) -> bytes | None:
        """The first ``most`` bytes of an object; None where there is none, or it is empty."""
        try:
            return self._call("read", self._fs._cat_file, self._path(key), start=0, end=most)
        except FileNotFoundError:
            return None

    def create(self, key: str, content: bytes, media_type: str) -> bool:
        """Write a new object; False where there is one already, which stays as it is."""
        try:
            self._write(key, content, media_type, mode="create")
        except FileExistsError:
            return False
        return True

    def overwrite(self, key: str, content: bytes, media_type: str) -> None:
        """Write an object, in the place of one that is damaged."""
        self._write(key, content, media_type, mode="overwrite")

    def delete(self, key: str) -> None:
        """There is no such object any more."""
        with suppress(FileNotFoundError):
            self._call("write", self._fs._rm_file, self._path(key))

    def size(self, key: str) -> int | None:
        """Bytes of an object; None where there is none."""
        try:
            found = self._call("look", self._fs._info, self._path(key), refresh=True)
        except FileNotFoundError:
            return None
        return int(found["size"]) if found["type"] == "file" else None

    def older(self, prefix: str, before: datetime) -> list[str]:
        """Keys that begin so and were last written before a moment; of which no store tells the
        moment is not among them."""
        try:
            found = self._call("look", self._fs._ls, self._path(prefix), detail=True, refresh=True)
        except FileNotFoundError:
            return []
        return [
            str(one["name"]).removeprefix(f"{self._root}/")
            for one in found
            if one["type"] == "file" and (moment := _written_at(one)) and moment < before
        ]

    def look(self) -> None:
        """See whether it answers; `problem` tells. Never raises PicturesAway."""
        bucket = self._root.partition("/")[0]
        try:
            self._call("look", self._fs._info, bucket, asked_by_watch=True)
        except FileNotFoundError:
            self._fell(f"there is no bucket {bucket}")
        except PicturesAway:
            return

    def check_rights(self) -> None:
        """See whether it may be written: a part of an upload that was never begun is asked to be
        a copy of nothing. Of S3 alone; other stores say it when they are written to.

        Raises PicturesAway, which says why.
        """
        if self._scheme != "s3":
            return
        bucket, _, prefix = self._root.partition("/")
        # What the store says of an upload that it does not know comes after it looked at rights.
        key = f"{prefix}/_".lstrip("/")
        part: dict[str, Any] = {
            "Bucket": bucket,
            "Key": key,
            "CopySource": f"{bucket}/{key}",
            "PartNumber": 1,
        }
        with suppress(FileNotFoundError):
            self._call("look", self._fs._call_s3, "upload_part_copy", UploadId="none", **part)

    def watch(self, stop: threading.Event, each: Callable[[], None]) -> None:
        """See to it until ``stop`` is set; ``each`` is called after every look that it answered."""
        self._watched = True
        try:
            while not stop.is_set():
                self.look()
                if self._away is None:
                    each()
                stop.wait(_LOOK_SECONDS)
        finally:
            self._watched = False

    def _path(self, key: str) -> str:
        return f"{self._root}/{key}"

    def _write(self, key: str, content: bytes, media_type: str, mode: str) -> None:
        told = _as_told(self._scheme, media_type)
        try:
            self._call("write", self._fs._pipe_file, self._path(key), content, mode=mode, **told)
        except FileNotFoundError as error:
            raise self._fell("there is no such bucket") from error

    def _call(
        self,
        call: Call,
        ask: Callable[..., Coroutine[Any, Any, Any]],
        *args: Any,
        asked_by_watch: bool = False,
        **named: Any,
    ) -> Any:
        from fsspec.asyn import get_loop, sync

        if self._away is not None and self._watched and not asked_by_watch:
            raise PicturesAway(self._away)
        began = time.monotonic()
        try:
            answer = sync(get_loop(), ask, *args, timeout=self._seconds, **named)
        except (FileNotFoundError, FileExistsError):
            self._answered(call, began)
            raise
        except Exception as error:
            if call == "read" and _is_empty(error):
                self._answered(call, began)
                return None
            FAILED.labels(call).inc()
            raise self._fell(_why(error, self._seconds)) from error
        self._answered(call, began)
        return answer

    def _answered(self, call: Call, began: float) -> None:
        SECONDS.labels(call).observe(time.monotonic() - began)
        with self._lock:
            before, self._away = self._away, None
        if before is not None:
            _log.info("pictures: all is well again")

    def _fell(self, why: str) -> PicturesAway:
        told = (
            f"the pictures at {self._where} cannot be reached ({why}): see that the store runs, "
            "and to pictures.url, pictures.endpoint_url and its login in the environment"
        )
        with self._lock:
            before, self._away = self._away, told
        if before is None and self._watched:
            _log.warning("pictures: %s", told)
        return PicturesAway(told)


def _written_at(described: Mapping[str, Any]) -> datetime | None:
    """As the file systems of S3, Google and Azure call it."""
    for name in ("LastModified", "last_modified", "updated", "mtime"):
        moment = described.get(name)
        if isinstance(moment, str):
            moment = datetime.fromisoformat(moment)
        if isinstance(moment, datetime):
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None


def _file_system(settings: PicturesSettings, scheme: str, seconds: float) -> Any:
    try:
        package_of(scheme)
    except PackageMissing as error:
        raise PicturesAway(str(error)) from error
    import fsspec

    # Instances are shared within a process by default: their listings would be too.
    options: dict[str, Any] = {"skip_instance_cache": True, "use_listings_cache": False}
    if scheme == "s3":
        options["endpoint_url"] = settings.endpoint_url
        options["config_kwargs"] = {
            "connect_timeout": min(_CONNECT_SECONDS, seconds),
            "read_timeout": seconds,
            "retries": {"max_attempts": 2, "mode": "standard"},
        }
    return fsspec.filesystem(scheme, **options)


def _as_told(scheme: str, media_type: str) -> dict[str, Any]:
    """What an object says of itself to whoever fetches it from a public address."""
    if scheme == "s3":
        return {"ContentType": media_type, "CacheControl": _FOR_EVER}
    if scheme == "gs":
        return {"content_type": media_type, "fixed_key_metadata": {"cache_control": _FOR_EVER}}
    return {}


def _is_empty(error: Exception) -> bool:
    """A store refuses to send the first bytes of an object that has none."""
    told = str(error).lower()
    return "invalidrange" in told or ("range" in told and "satisf" in told)


def _why(error: Exception, seconds: float) -> str:
    from fsspec.exceptions import FSTimeoutError

    if isinstance(error, FSTimeoutError):
        return f"no answer within {seconds:g} s"
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:200]
