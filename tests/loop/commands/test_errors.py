"""What the machine does to a command is told in one line, whatever the command."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner, Result

from adloom.loop.commands.app import app


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
