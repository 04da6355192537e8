"""`adloom creatives card`: a finished ad as a file, in the format of a feed or a story."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer
from rich.console import Console

from adloom.loop.catalogue.cards.formats import FORMATS, FormatName
from adloom.loop.commands.errors import errors_told, fail, fail_if, problems
from adloom.loop.commands.printing import AsJson
from adloom.loop.settings.out_folder import unwritable_file
from adloom.loop.settings.private import as_the_user_shares

if TYPE_CHECKING:
    from adloom.loop.catalogue.cards.of_ads import CardWanted
    from adloom.loop.settings import Settings

app = typer.Typer()
_console = Console()


@app.command()
def card(
    context: typer.Context,
    ad_id: str,
    out: Annotated[Path, typer.Option(help="Its ending tells the kind: .webp, .jpeg, .png.")],
    format: Annotated[
        FormatName,
        typer.Option(help="1080 x 1080, 1080 x 1350, 1200 x 628 or 1080 x 1920 pixels."),
    ] = "square",
    banner: Annotated[
        bool, typer.Option("--banner/--no-banner", help="With title, price and call to action.")
    ] = True,
    width: Annotated[
        int | None, typer.Option(min=100, help="Pixels; none = those of the format.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Draw an ad as a card: the product is never cut, and no word lies over it."""
    from adloom.loop.catalogue.cards.of_ads import CardKind, CardWanted

    most = FORMATS[format].width
    if width is not None and width > most:
        fail(f"--width: a {format} is {most} pixels wide at most")
    ending = out.suffix.lower().removeprefix(".").replace("jpg", "jpeg")
    kinds: dict[str, CardKind] = {kind: kind for kind in get_args(CardKind)}
    if ending not in kinds:
        fail(f"--out: {out.name} ends in none of .webp, .jpeg, .jpg and .png")
    fail_if(unwritable_file(out))
    wanted = CardWanted(format, kinds[ending], banner, width)
    missing = _draw(context, ad_id, wanted, out)
    if missing and not as_json:
        problems.print(
            f"No font has these letters, which are left out: {missing}",
            markup=False,
            soft_wrap=True,
        )
    size = list(wanted.size)
    if as_json:
        told = {"file": str(out), "size": size, "format": format, "missing_letters": missing}
        print(json.dumps(told, indent=2, ensure_ascii=False))
        return
    _console.print(f"{out}: {size[0]} x {size[1]} pixels.", highlight=False, soft_wrap=True)


def _draw(context: typer.Context, ad_id: str, wanted: CardWanted, out: Path) -> str:
    """Write the card; letters that no font has."""
    from adloom.loop import home
    from adloom.loop.catalogue.cards.of_ads import advertised, card_file
    from adloom.loop.catalogue.creatives.store import UnknownAd
    from adloom.loop.catalogue.product import UnknownProduct

    settings: Settings = context.obj
    with errors_told(UnknownAd, UnknownProduct), ExitStack() as parts:
        pictures = home.open_pictures(settings)
        creatives = home.open_creatives(settings, pictures)
        parts.callback(creatives.close)
        catalogue = home.open_catalogue(settings, pictures)
        parts.callback(catalogue.close)
        shown = advertised(creatives, catalogue, ad_id, settings.cards.call_to_action)
        file = card_file(creatives, shown, wanted)
    with as_the_user_shares():
        out.write_bytes(file.content)
    return file.missing
