"""`adloom creatives words`: words that no title says, beside those of the settings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from adloom.loop.commands.errors import errors_told, fail
from adloom.loop.commands.printing import AsJson, counted, print_table
from adloom.loop.commands.reviewing import By, Why, who
from adloom.loop.settings import Settings
from adloom.loop.settings.catalogue import Language
from adloom.loop.settings.titles import Word

if TYPE_CHECKING:
    from adloom.loop.catalogue.store import Catalogue

app = typer.Typer(help="Words that no title says.", no_args_is_help=True)
_console = Console()

InLanguage = Annotated[
    str, typer.Option("--language", help="BCP 47 tag, such as de; without: in every language.")
]


@app.command("list")
def list_words(context: typer.Context, as_json: AsJson = False) -> None:
    """List the words that are banned from titles, by the settings and by people."""
    from adloom.loop.catalogue.words.banned import BannedWords

    settings: Settings = context.obj
    with _catalogue(settings) as catalogue:
        words = BannedWords(catalogue.engine).listed()
    of_settings = list(settings.titles.all_banned())
    if as_json:
        told: list[dict[str, object]] = [
            {"language": language, "word": word, "of": "settings"} for language, word in of_settings
        ]
        told += [{**asdict(one), "at": one.at.isoformat(), "of": "review"} for one in words]
        print(json.dumps(told, indent=2, ensure_ascii=False))
        return
    table = Table("Word", "Language", "By", "Why", box=None)
    for language, word in of_settings:
        table.add_row(Text(word), language or "all", "settings", "")
    for one in words:
        table.add_row(Text(one.word), one.language or "all", Text(one.by), Text(one.why))
    print_table(_console, table)
    count = counted(len(of_settings) + len(words), "banned word")
    _console.print(f"{count}.", highlight=False, soft_wrap=True)


@app.command("ban")
def ban_word(
    context: typer.Context,
    word: str,
    language: InLanguage = "",
    why: Why = "",
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Ban a word from titles, from the next request on; finished ads that say it go too."""
    _change(context.obj, word, language, True, why, by, as_json)


@app.command("allow")
def allow_word(
    context: typer.Context,
    word: str,
    language: InLanguage = "",
    why: Why = "",
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Let titles say a word again; ads that were banned for it stay so until approved."""
    _change(context.obj, word, language, False, why, by, as_json)


def _change(
    settings: Settings,
    word: str,
    language: str,
    banned: bool,
    why: str,
    by: str | None,
    as_json: bool,
) -> None:
    from adloom.loop import home
    from adloom.loop.catalogue.words.banned import BannedWords, TooManyWords
    from adloom.loop.inspection.titles import ban_by_words

    try:
        word = TypeAdapter(Word).validate_python(word)
    except ValidationError:
        fail("the word must have 1 to 80 characters, and some that can be seen")
    if language:
        try:
            language = TypeAdapter(Language).validate_python(language)
        except ValidationError:
            fail(f"--language {language}: not a language tag such as de or pt-BR")
    own = {(tag.lower(), one.casefold()) for tag, one in settings.titles.all_banned()}
    if not banned and (language.lower(), word.casefold()) in own:
        fail(f"{word!r} is banned by the settings: take it out of [titles] banned there")
    with errors_told(TooManyWords), _catalogue(settings) as catalogue:
        new = BannedWords(catalogue.engine).review(
            language, word, banned=banned, why=why, by=who(by)
        )
        gone = ban_by_words(catalogue, home.title_words(settings, catalogue).rules) if banned else 0
    if as_json:
        print(json.dumps({"changed": new, "ads_banned": gone}, indent=2))
        return
    state = "banned" if banned else "allowed"
    told = f"{word!r} is {state}." if new else f"{word!r} was {state} already."
    ads = f" {counted(gone, 'finished ad')} said it and {'is' if gone == 1 else 'are'} banned."
    _console.print(told + (ads if gone else ""), highlight=False, markup=False, soft_wrap=True)


@contextmanager
def _catalogue(settings: Settings) -> Iterator[Catalogue]:
    from adloom.loop import home

    catalogue = home.open_catalogue(settings)
    try:
        yield catalogue
    finally:
        catalogue.close()
