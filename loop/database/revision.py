"""Of which release a database's tables are; Alembic makes and changes them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

REVISION = "0009"
"""What this release knows; a test holds it against the newest migration."""
VERSIONS_TABLE = "adloom_revision"
"""Where it stands; a database may be shared with others that use Alembic."""
_MIGRATIONS = Path(__file__).with_name("migrations")
_LOCK = 0x61646C6F6F6D  # the word adloom; of Postgres' locks that mean what one wants


class OtherRevision(RuntimeError):
    """The database's tables are those of another release; the message says what to do."""

    def __init__(self, found: str) -> None:
        told = f"the database is of revision {found}, this release's is {REVISION}: "
        older = found < REVISION
        super().__init__(
            told + "stop what runs on it, then adloom migrate"
            if older
            else told + "install the newer adloom that it is of; adloom migrate leads forward only"
        )


def make_ready(engine: Engine) -> None:
    """Make the tables of a new database. Raises OtherRevision for one of another release."""
    with engine.connect() as connection:
        found = revision_of(connection)
    if found is None:
        upgrade(engine)
    elif found != REVISION:
        raise OtherRevision(found)


def revision_of(connection: Connection) -> str | None:
    """None where there are no tables of adloom."""
    if not inspect(connection).has_table(VERSIONS_TABLE):
        return None
    found: str | None = connection.execute(
        text(f"SELECT version_num FROM {VERSIONS_TABLE}")
    ).scalar()
    return found


def upgrade(engine: Engine) -> bool:
    """Bring the tables to this release, all or nothing; False where they are of it already.

    Several processes may do so at once. Raises OtherRevision for those of a newer release.
    """
    with _alone(engine) as connection:
        found = revision_of(connection)
        if found == REVISION:
            return False
        if found is not None and found > REVISION:
            raise OtherRevision(found)
        _run_migrations(connection)
        return True


@contextmanager
def _alone(engine: Engine) -> Iterator[Connection]:
    """A transaction that no other process that makes tables has at the same time."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # else each table were one of its own
            yield connection
            connection.commit()
            return
        from adloom.loop.database.answering import as_long_as_it_takes

        with as_long_as_it_takes(connection):
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
            yield connection
            connection.commit()


def _run_migrations(connection: Connection) -> None:
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(_MIGRATIONS))
    steps = EnvironmentContext(
        Config(), scripts, fn=lambda found, _: scripts._upgrade_revs(REVISION, found)
    )
    with steps:
        steps.configure(connection=connection, version_table=VERSIONS_TABLE)
        steps.run_migrations()
