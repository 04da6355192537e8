"""`adloom creatives approve`, `ban`, `history`: what people decide about ads."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from adloom.loop.commands.errors import errors_told, fail
from adloom.loop.commands.printing import AsJson, counted, print_table
from adloom.loop.commands.reviewing import By, Why, who
from adloom.loop.settings import Settings

if TYPE_CHECKING:
    from adloom.loop.catalogue.creatives.store import CreativeStore
    from adloom.loop.catalogue.store import Catalogue

app = typer.Typer()
_console = Console()

AdIds = Annotated[list[str], typer.Argument(metavar="AD_ID...")]


@app.command()
def approve(
    context: typer.Context, ad_ids: AdIds, why: Why = "", by: By = None, as_json: AsJson = False
) -> None:
    """Let ads be shown; every server goes by it from the next request on."""
    from adloom.loop import home
    from adloom.loop.inspection.titles import SaysBanned
    from adloom.loop.inspection.titles import approve as let_be_shown

    settings: Settings = context.obj

    def act(catalogue: Catalogue, creatives: CreativeStore) -> set[str]:
        titles = home.title_words(settings, catalogue).rules
        return let_be_shown(catalogue, creatives, titles, ad_ids, why=why, by=who(by))

    with errors_told(SaysBanned):
        _decide(settings, ad_ids, act, "approved", as_json)


@app.command()
def ban(
    context: typer.Context,
    ad_ids: AdIds,
    why: Annotated[str, typer.Option(help="Why; people read it in the history.")],
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Show ads no more, nor what looks the same; histories and rounds do not read them either."""
    from adloom.loop.catalogue.creatives.reviewing import ban as show_no_more

    if not why.strip():
        fail("--why: say why in a few words")

    def act(_: Catalogue, creatives: CreativeStore) -> set[str]:
        return show_no_more(creatives, ad_ids, why=why.strip(), by=who(by))

    _decide(context.obj, ad_ids, act, "banned", as_json)


@app.command()
def history(context: typer.Context, ad_id: str, as_json: AsJson = False) -> None:
    """Tell who approved or banned an ad, when and why."""
    from adloom.loop.catalogue.creatives.reviewing import reviews_of
    from adloom.loop.catalogue.creatives.store import UnknownAd

    with errors_told(UnknownAd), _opened(context.obj) as (_, creatives):
        ad = creatives.get(ad_id)
        reviews = reviews_of(creatives.engine, [ad_id]).get(ad_id, [])
    if as_json:
        told = [{**asdict(one), "at": one.at.isoformat()} for one in reviews]
        print(json.dumps({"ad_id": ad_id, "state": ad.state, "reviews": told}, indent=2))
        return
    table = Table("At", "State", "By", "Why", box=None)
    for one in reviews:
        table.add_row(f"{one.at:%Y-%m-%d %H:%M}", one.state, Text(one.by), Text(one.why))
    if reviews:
        print_table(_console, table)
    _console.print(f"It is {ad.state}.", highlight=False, soft_wrap=True)


def _decide(
    settings: Settings,
    ad_ids: Sequence[str],
    act: Callable[[Catalogue, CreativeStore], set[str]],
    state: str,
    as_json: bool,
) -> None:
    with _opened(settings) as (catalogue, creatives):
        unknown = sorted(set(ad_ids) - creatives.known(ad_ids))
        if unknown:
            fail(f"no ad {', '.join(map(repr, unknown))} in the creative store; nothing is changed")
        found = act(catalogue, creatives)
    if as_json:
        print(json.dumps({state: sorted(found)}, indent=2, ensure_ascii=False))
        return
    _console.print(f"{counted(len(found), 'ad')} {state}.", highlight=False, soft_wrap=True)


@contextmanager
def _opened(settings: Settings) -> Iterator[tuple[Any, Any]]:
    from adloom.loop import home

    pictures = home.open_pictures(settings)
    catalogue = home.open_catalogue(settings, pictures)
    creatives = home.open_creatives(settings, pictures)
    try:
        yield catalogue, creatives
    finally:
        creatives.close()
        catalogue.close()
