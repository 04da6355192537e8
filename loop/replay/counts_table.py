"""The counts of a replay as a table."""

from __future__ import annotations

from rich.table import Table

from adloom.loop.replay.replay import ReplayResult


def counts_table(result: ReplayResult, most: int = 20) -> Table:
    """Impressions and clicks of the most shown items, in the log and in the features."""
    table = Table("Item", box=None)
    for column in ("Impressions", "in features", "Clicks", "in features"):
        table.add_column(column, justify="right")
    ranked = sorted(result.in_file, key=lambda item: (-result.in_file[item][0], item))
    for item in ranked[:most]:
        (shown, clicked), (counted, counted_clicks) = (
            result.in_file[item],
            result.in_features[item],
        )
        style = None if (shown, clicked) == (counted, counted_clicks) else "red"
        table.add_row(
            item, f"{shown}", f"{counted}", f"{clicked}", f"{counted_clicks}", style=style
        )
    if len(ranked) > most:
        table.add_row(f"… {len(ranked) - most} more")
    totals = [
        sum(counts[place] for counts in side.values())
        for place in (0, 1)
        for side in (result.in_file, result.in_features)
    ]
    table.add_section()
    table.add_row("All", *map(str, totals), style="bold")
    return table
