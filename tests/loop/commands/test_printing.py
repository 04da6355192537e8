"""Tables are read whole, on whatever they are printed."""

from __future__ import annotations

import ast
import io
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Column, Table

from adloom.loop.commands import printing
from adloom.loop.commands.printing import counted, print_fields, print_table, print_tables

COMMANDS = Path(printing.__file__).parent
METRICS = [f"metric {n}" for n in range(7)]


def table() -> Table:
    made = Table("", *(Column(name, justify="right") for name in METRICS), box=None, title="Arms")
    for arm in ("no_history", "full"):
        made.add_row(arm, *(f"0.{n}00 [dim]0.{n}10…0.{n}20[/]" for n in range(7)))
    return made


def printed(width: int, terminal: bool) -> list[str]:
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=terminal, color_system=None)
    print_tables(console, [table()])
    return [line.rstrip() for line in file.getvalue().splitlines()]


def test_what_is_piped_has_a_line_a_row() -> None:
    lines = printed(80, terminal=False)
    assert [line.split()[0] for line in lines if line] == ["Arms", "metric", "no_history", "full"]
    assert lines[2].split()[1:] == [w for n in range(7) for w in (f"0.{n}00", f"0.{n}10…0.{n}20")]


def test_on_a_narrow_terminal_a_table_is_parted() -> None:
    for width, parts in ((200, 1), (80, 3), (20, 7)):
        lines = printed(width, terminal=True)
        assert sum("full" in line for line in lines) == parts, width
        if width > 20:
            assert max(map(len, lines)) <= width
            for n in range(7):
                assert any(f"0.{n}00 0.{n}10…0.{n}20" in line for line in lines)


def test_piped_fields_and_texts_have_a_line_each() -> None:
    file = io.StringIO()
    long = "why " * 100
    print_fields(Console(file=file), {"reason": long, "version": 2})
    texts = Table("Round", "Reason", box=None)
    texts.add_row("1", long)
    print_table(Console(file=file), texts)
    lines = [line.split()[0] for line in file.getvalue().splitlines()]
    assert lines == ["reason", "version", "Round", "1"]
    assert not any(line.endswith(" ") for line in file.getvalue().splitlines())


@pytest.mark.parametrize("file", sorted(COMMANDS.rglob("*.py")), ids=lambda file: file.stem)
def test_no_sentence_is_broken_where_it_is_piped(file: Path) -> None:
    """A console that is no terminal breaks lines after 80 characters, unless it is told."""
    for call in ast.walk(ast.parse(file.read_text())):
        if (
            isinstance(call, ast.Call)
            and isinstance(call.func, ast.Attribute)
            and call.func.attr == "print"
            and call.args
            and isinstance(call.args[0], (ast.Constant, ast.JoinedStr, ast.BinOp, ast.BoolOp))
        ):
            assert "soft_wrap" in [given.arg for given in call.keywords], (file, call.lineno)


def test_one_is_one() -> None:
    assert [counted(n, "shard") for n in (0, 1, 2_000)] == ["0 shards", "1 shard", "2,000 shards"]
