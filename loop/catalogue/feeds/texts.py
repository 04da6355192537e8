"""Texts of a feed as a shopper would read them: no markup, no control characters, NFC."""

from __future__ import annotations

import html
import re
import unicodedata

from adloom.loop.catalogue.feeds.refusals import RowRefused

# Only with the semicolon: `html.unescape` alone would take "&copy" out of "black&copyright".
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
# What begins so is not shown until its end.
_UNSHOWN = re.compile(r"<!--|<(script|style)\b", re.IGNORECASE)
_END = {
    "": re.compile("-->"),
    "script": re.compile("</script[^<>]*>", re.IGNORECASE),
    "style": re.compile("</style[^<>]*>", re.IGNORECASE),
}
_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9]*)(?:\s[^<>]*)?/?>")
_INLINE = frozenset(
    [
        "a",
        "abbr",
        "b",
        "bdi",
        "bdo",
        "big",
        "cite",
        "code",
        "del",
        "dfn",
        "em",
        "font",
        "i",
        "ins",
        "kbd",
        "mark",
        "q",
        "s",
        "samp",
        "small",
        "span",
        "strike",
        "strong",
        "sub",
        "sup",
        "tt",
        "u",
        "var",
    ]
)
_BLOCK = frozenset(
    [
        "article",
        "aside",
        "blockquote",
        "body",
        "br",
        "center",
        "col",
        "colgroup",
        "dd",
        "div",
        "dl",
        "dt",
        "figcaption",
        "figure",
        "footer",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "head",
        "header",
        "hr",
        "html",
        "iframe",
        "img",
        "li",
        "main",
        "nav",
        "ol",
        "p",
        "picture",
        "pre",
        "section",
        "source",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "tr",
        "ul",
        "video",
        "wbr",
    ]
)
_VOID = frozenset({"br", "hr", "img", "wbr"})
# Joiners and non-joiners spell words and emoji; marks of direction, blanks of no width only
# hide text.
_HIDDEN = re.compile(
    "[\u00ad\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]"
)
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]")
_BLANKS = re.compile(r"\s+")
_LINE_BREAKS = re.compile(r"[^\S\n]*\n\s*")
_BLANKS_IN_LINE = re.compile(r"[^\S\n]+")
_UNREADABLE = re.compile("[\ud800-\udfff\ufffd]")


def title_text(text: str, attribute: str) -> str:
    """A text of one line.

    Tags that HTML knows and that are closed are markup; ``<Duo>`` is part of a name.
    Raises RowRefused where characters are broken.
    """
    return _BLANKS.sub(" ", _characters(_unmarked(text, all_tags=False), attribute)).strip()


def description_text(text: str, attribute: str) -> str:
    """A text of lines: one for each paragraph or item of a list.

    Raises RowRefused where characters are broken.
    """
    plain = _characters(_unmarked(text, all_tags=True), attribute)
    return _LINE_BREAKS.sub("\n", _BLANKS_IN_LINE.sub(" ", plain)).strip()


def _characters(text: str, attribute: str) -> str:
    if _UNREADABLE.search(text):
        raise RowRefused(f"{attribute}: has broken characters; is the feed's encoding right?")
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x85", "\n")
    return unicodedata.normalize("NFC", _CONTROL.sub(" ", _HIDDEN.sub("", text)))


def _unmarked(text: str, *, all_tags: bool) -> str:
    if "<" in text:
        text = _without_tags(text, all_tags=all_tags)
    return _ENTITY.sub(lambda found: html.unescape(found[0]), text) if "&" in text else text


def _without_tags(text: str, *, all_tags: bool) -> str:
    text = _without_unshown(text)
    closed = {name.lower() for slash, name in _TAG.findall(text) if slash} | _VOID

    def plain(tag: re.Match[str]) -> str:
        name = tag[2].lower()
        if name not in _INLINE and name not in _BLOCK:
            return tag[0]
        if not all_tags and name not in closed:
            return tag[0]
        return "" if name in _INLINE else "\n"

    return _TAG.sub(plain, text)


def _without_unshown(text: str) -> str:
    """Without comments, scripts and styles; one that never ends is left as it is."""
    kept, at = [], 0
    while found := _UNSHOWN.search(text, at):
        end = _END[(found[1] or "").lower()].search(text, found.end())
        if end is None:
            break
        kept.append(text[at : found.start()])
        at = end.end()
    return " ".join([*kept, text[at:]])
