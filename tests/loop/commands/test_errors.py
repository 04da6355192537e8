"""What the machine does to a command is told in one line, whatever the command."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest
from psycopg.errors import InsufficientPrivilege
from sqlalchemy.exc import ProgrammingError
from typer.testing import CliRunner, Result

from adloom.loop.commands.app import app
from adloom.loop.commands.errors import in_one_line


def listed(home: Path) -> Result:
    return CliRunner().invoke(app, ["catalog", "list"], env={"ADLOOM_HOME": str(home)})


def told(result: Result) -> str:
    return " ".join(result.stderr.split())


def test_a_home_that_cannot_be_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = listed(tmp_path / "file" / "home")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Not a directory; mend this" in told(result)


def test_a_message_is_printed_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "home:x:[red]").write_text("")
    assert f"{tmp_path}/home:x:[red]/a" in told(listed(tmp_path / "home:x:[red]" / "a"))


def test_a_database_that_is_damaged_is_told(tmp_path: Path) -> None:
    (tmp_path / "adloom.db").write_bytes(b"no database" * 100)
    result = listed(tmp_path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "adloom.db is damaged (file is not a database): put a copy back" in told(result)


# Each writes more than a file may hold: a full disk is told by the same ways, with another number.
_WRITING = {
    "safetensors": "from safetensors.numpy import save_file; import numpy; "
    "save_file({'a': numpy.zeros(100_000)}, 'file')",
    "pyarrow": "import pyarrow, pyarrow.parquet, os; pyarrow.parquet.write_table("
    "pyarrow.table({'a': [os.urandom(9) for _ in range(50_000)]}), 'file')",
    "sqlite": "import sqlite3; base = sqlite3.connect('file'); base.execute('create table t (a)'); "
    "base.execute('insert into t values (?)', ('a' * 500_000,)); base.commit()",
    "python": "open('file', 'wb').write(b'a' * 500_000)",
    "what came of it": """
try:
    open('file', 'wb').write(b'a' * 500_000)
except OSError as error:
    raise ValueError('not kept') from error
""",
}


@pytest.mark.parametrize("library", _WRITING)
def test_a_disk_that_takes_no_more_is_told_whichever_library_writes(
    library: str, tmp_path: Path
) -> None:
    program = f"""
import resource, signal
from adloom.loop.commands.errors import errors_told
import typer
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    with errors_told():
        exec({_WRITING[library]!r})
except typer.Exit as ended:
    raise SystemExit(ended.exit_code)
"""
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True
    )
    assert (ran.returncode, ran.stdout) == (2, ""), ran.stderr
    [line] = ran.stderr.splitlines()
    assert line.startswith("Error: ")
    assert line.endswith("; mend this, and start the command again")


def test_what_no_machine_did_is_told_as_it_is() -> None:
    assert in_one_line(ValueError("an error of ours (os error 71)")) is None
    for cause in (OSError(errno.ENOENT, "gone"), ValueError("no number")):
        error = ValueError("an error of ours")
        error.__cause__ = cause
        assert in_one_line(error) is None


def test_what_a_login_of_postgres_may_not_do_is_told_in_one_line() -> None:
    said = InsufficientPrivilege(
        "permission denied for schema public\nLINE 2: CREATE TABLE a (\n  ^"
    )
    line = in_one_line(ProgrammingError("CREATE TABLE a ()", {}, said))
    assert line == (
        "the database cannot be used: permission denied for schema public (adloom doctor names the "
        "right that its login lacks); mend this, and start the command again"
    )
