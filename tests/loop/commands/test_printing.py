"""Tables are read whole, on whatever they are printed."""

from __future__ import annotations

import io

from rich.console import Console
from rich.table import Column, Table

from adloom.loop.commands.printing import counted, print_tables

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


def test_one_is_one() -> None:
    assert [counted(n, "shard") for n in (0, 1, 2_000)] == ["0 shards", "1 shard", "2,000 shards"]
