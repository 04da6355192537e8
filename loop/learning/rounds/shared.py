"""Rounds of many machines: what one leaves of a round, another finds, and goes on where it stood.

The files of a round lie in its folder on the machine that runs it. Machines that share a Postgres
have a copy there, beside the claim that says whose turn it is: it is changed by who holds the turn
alone, in one step with the claim, so that a process that was thought dead changes nothing any
more. Only small files stay once a round is over; its adapter is in the registry by then.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from sqlalchemy import Connection, Engine, delete, select

from adloom.loop.database.health import DatabaseUnusable
from adloom.loop.database.tables import round_files
from adloom.loop.learning.rounds.kept import (
    PLAN,
    SMALL_FILES,
    RoundHead,
    head,
    is_over,
    planned_rounds,
)
from adloom.loop.learning.rounds.turn import Turn, TurnLost, is_shared

_log = logging.getLogger(__name__)

_PART_BYTES = 4 << 20
_MOST_BYTES = 1 << 30  # of a file: the training state of an adapter of 7B has a fifth of it
_NAME = re.compile(r"[\w-][\w.-]{0,63}(/[\w-][\w.-]{0,63})?")


class SharedRounds:
    """The copy of the rounds under a folder; where nothing is shared it does nothing."""

    def __init__(self, folder: Path, database: Engine | None) -> None:
        self._folder = folder
        self._database = database if database is not None and is_shared(database) else None
        self._stamps: dict[Path, tuple[tuple[int, int], str]] = {}

    def fetch(self) -> None:
        """Plans and outcomes of all rounds, as every machine may read them at any moment."""
        if self._database is not None:
            with self._database.connect() as connection:
                self._fetch(connection, small=True)

    @contextmanager
    def held(self, turn: Turn) -> Iterator[HeldRounds]:
        """For who holds the turn: what others left comes here, and what is left goes there."""
        held = HeldRounds(self, turn)
        if self._database is None:
            yield held
            return
        with self._database.connect() as connection:
            self._fetch(connection, small=False)
        try:
            yield held
        except TurnLost:
            held.stop()
            raise
        except BaseException:
            with suppress(DatabaseUnusable, TurnLost):  # what went wrong is told, not this
                held.keep()
            raise
        held.keep()

    @property
    def are_shared(self) -> bool:
        """Whether there is such a copy."""
        return self._database is not None

    def keep(self, turn: Turn) -> None:
        """Bring the copy up to date. Raises TurnLost, DatabaseUnusable."""
        if self._database is None:
            return
        with self._database.begin() as connection:
            turn.verify(connection)
            there = _stamps(connection)
            for number, folder in planned_rounds(self._folder):
                over = is_over(folder)
                for name, path in _files(folder):
                    if over and name not in SMALL_FILES:
                        continue
                    stamp = self._stamp(path)
                    if stamp is not None and there.get((number, name)) != stamp:
                        _write(connection, number, name, path)
                if over:
                    large = ~round_files.c.name.in_(SMALL_FILES)
                    connection.execute(
                        delete(round_files).where(round_files.c.round == number, large)
                    )

    def _fetch(self, connection: Connection, *, small: bool) -> None:
        there = _stamps(connection)
        for number in sorted({number for number, _ in there}):
            folder = self._folder / f"round-{number:04d}"
            names = {name: stamp for (of, name), stamp in there.items() if of == number}
            self._set_aside(connection, number, folder, names.get(PLAN))
            wanted = [name for name in names if name in SMALL_FILES or not small]
            new = [name for name in wanted if self._stamp(folder / name) != names[name]]
            # The plan comes last: a round is there once all of it is.
            for name in sorted(new, key=lambda name: name == PLAN):
                _read(connection, number, name, folder / name)

    def _set_aside(
        self, connection: Connection, number: int, folder: Path, stamp: str | None
    ) -> None:
        """A round of this home's own, of before it shared a database, makes room for the others'.

        What a machine that was taken for dead wrote of the same round is overwritten.
        """
        if stamp is None or self._stamp(folder / PLAN) in (None, stamp):
            return
        theirs = RoundHead.model_validate_json(_content(connection, number, PLAN))
        ours = head(folder)
        if ours is not None and ours.run_id == theirs.run_id:
            return
        aside = folder.with_name(f"{folder.name}.before")
        folder.rename(aside)
        _log.warning("%s is of this home alone, and is kept as %s", folder, aside.name)

    def _stamp(self, path: Path) -> str | None:
        """A hash of a file's content, made once as long as it is the same; None: there is none."""
        try:
            found = path.stat()
            state = found.st_size, found.st_mtime_ns
            known = self._stamps.get(path)
            if known is not None and known[0] == state:
                return known[1]
            with path.open("rb") as file:
                stamp = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            return None
        self._stamps[path] = state, stamp
        return stamp


class HeldRounds:
    """Rounds while their turn is held: checkpoints are copied while the next steps are learnt."""

    def __init__(self, rounds: SharedRounds, turn: Turn) -> None:
        self._rounds = rounds
        self._turn = turn
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="rounds")
        self._sent: Future[None] | None = None

    def look(self) -> None:
        """Begin to copy what is new; where a copy is still under way, that has to do."""
        if self._rounds.are_shared and (self._sent is None or self._sent.done()):
            self._sent = self._thread.submit(self._copied)

    def keep(self) -> None:
        """Copy what is new, now."""
        self.stop()
        self._rounds.keep(self._turn)

    def stop(self) -> None:
        """Wait for a copy that is under way."""
        if self._sent is not None:
            self._sent.result()

    def _copied(self) -> None:
        try:
            self._rounds.keep(self._turn)
        except (DatabaseUnusable, TurnLost) as error:  # who learns hears of the turn by itself
            _log.warning("a checkpoint is not copied yet: %s", error)


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Whole files of a round by their names in its folder."""
    for path in sorted((*folder.glob("*"), *folder.glob("*/*"))):
        name = str(PurePosixPath(path.relative_to(folder)))
        if path.is_file() and path.suffix != ".partial" and _NAME.fullmatch(name):
            yield name, path


def _stamps(connection: Connection) -> dict[tuple[int, str], str]:
    columns = round_files.c
    query = select(columns.round, columns.name, columns.stamp).where(columns.part == 0)
    return {(row.round, row.name): row.stamp for row in connection.execute(query)}


def _write(connection: Connection, number: int, name: str, path: Path) -> None:
    with path.open("rb") as file:  # one that takes its place meanwhile comes with the next copy
        content = file.read(_MOST_BYTES)
    stamp, columns = hashlib.sha256(content).hexdigest(), round_files.c
    connection.execute(delete(round_files).where(columns.round == number, columns.name == name))
    for part, some in enumerate(_parts(content)):
        row = {"round": number, "name": name, "part": part, "stamp": stamp, "content": some}
        connection.execute(round_files.insert(), row)


def _parts(content: bytes) -> Sequence[bytes]:
    starts = range(0, max(1, len(content)), _PART_BYTES)
    return [content[start : start + _PART_BYTES] for start in starts]


def _content(connection: Connection, number: int, name: str) -> bytes:
    columns = round_files.c
    query = select(columns.content).where(columns.round == number, columns.name == name)
    return b"".join(row.content for row in connection.execute(query.order_by(columns.part)))


def _read(connection: Connection, number: int, name: str, path: Path) -> None:
    if not _NAME.fullmatch(name):
        raise ValueError(f"round {number} has a file of a strange name: {name!r}")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    partial.write_bytes(_content(connection, number, name))
    partial.replace(path)
