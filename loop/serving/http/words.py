"""Banned words by HTTP: `GET /v1/words` tells them, `POST` bans one or allows it again."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from adloom.loop.catalogue.words.banned import BannedWords, TooManyWords, WordReview
from adloom.loop.inspection.titles import ban_by_words
from adloom.loop.serving.http.access import Admitted, MayReview
from adloom.loop.serving.http.errors import GUARDED, refusals
from adloom.loop.serving.http.reviewers import Person, key_name, reviewer
from adloom.loop.serving.http.routes import running
from adloom.loop.settings.catalogue import Language
from adloom.loop.settings.titles import Word
from adloom.stream.events import NO_NUL

router = APIRouter(prefix="/v1/words", tags=["review"])


class BannedWord(BaseModel):
    """A word that no title says, but for a name that has it."""

    word: str
    language: str = Field(description="BCP 47 tag; empty: in every language")
    of: Literal["settings", "review"] = Field(
        description="settings: of the server's file, and changed there; review: banned by a person"
    )
    at: datetime | None = None
    why: str = ""
    by: str = ""


class WordReviewed(BaseModel):
    """What was done to a word."""

    at: datetime
    word: str
    language: str
    banned: bool = Field(description="from then on; false: allowed again")
    why: str
    by: str


class WordLists(BaseModel):
    """The words that are banned now, and what was done, the latest first."""

    words: list[BannedWord]
    history: list[WordReviewed]


class WordChange(BaseModel):
    """A word that is banned, or allowed again."""

    model_config = ConfigDict(extra="forbid")

    word: Word
    language: Language | Literal[""] = Field(default="", description="empty: every language")
    banned: bool = True
    why: Annotated[
        str, StringConstraints(strip_whitespace=True, max_length=500, pattern=NO_NUL)
    ] = ""
    by: Person | None = Field(default=None, description="who decides, in their own words")


class WordChanged(BaseModel):
    """What came of it."""

    changed: bool = Field(description="false: it was so before")
    ads_banned: int = Field(description="finished ads, the shop's own too, whose titles said it")


@router.get("", responses=refusals(*GUARDED), dependencies=Admitted)
def list_words(request: Request) -> WordLists:
    """Words that no title says, and who banned or allowed which."""
    server = running(request)
    words = BannedWords(server.catalogue.engine)
    of_settings = [
        BannedWord(word=word, language=language, of="settings")
        for language, word in server.settings.titles.all_banned()
    ]
    return WordLists(
        words=[*of_settings, *(_told(one) for one in words.listed())],
        history=[WordReviewed(**vars(one)) for one in words.history()],
    )


@router.post("", responses=refusals(*GUARDED, 409), dependencies=MayReview)
def change_word(
    wanted: WordChange, request: Request, key: Annotated[str, Depends(key_name)]
) -> WordChanged:
    """Ban a word from titles, or allow it again, from the next request on at every server.

    Finished ads that say a word that is banned, the shop's own too, are banned with it; to allow
    it brings none back.
    """
    server = running(request)
    try:
        new = BannedWords(server.catalogue.engine).review(
            wanted.language,
            wanted.word,
            banned=wanted.banned,
            why=wanted.why,
            by=reviewer(wanted.by, key),
        )
    except TooManyWords as error:
        raise HTTPException(409, str(error)) from error
    banned = ban_by_words(server.catalogue, server.titles) if wanted.banned else 0
    return WordChanged(changed=new, ads_banned=banned)


def _told(one: WordReview) -> BannedWord:
    return BannedWord(
        word=one.word, language=one.language, of="review", at=one.at, why=one.why, by=one.by
    )
