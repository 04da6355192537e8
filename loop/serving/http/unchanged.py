"""What a client has already, as `If-None-Match` tells (RFC 9110, section 13.1.2)."""

from __future__ import annotations

import re

from fastapi import Request

_TAG = re.compile(r'(?:W/)?("[^"]*")')


def names(request: Request, tag: str) -> bool:
    """Whether the client tells of ``tag``, quoted, among others.

    A proxy that compresses makes a tag weak, which names the same here.
    """
    return tag in _TAG.findall(_told(request))


def has_already(request: Request, tag: str) -> bool:
    """Whether the client has what is there and ``tag`` names; `*` is whatever there is."""
    return _told(request).strip() == "*" or names(request, tag)


def _told(request: Request) -> str:
    return ",".join(request.headers.getlist("if-none-match"))
