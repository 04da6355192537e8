"""Settings of the place where pictures are kept."""

from __future__ import annotations

import importlib.util
from pathlib import PurePath
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from adloom.loop.settings.section import Section

_STORES = {"s3": "s3fs", "gs": "gcsfs", "abfs": "adlfs", "az": "adlfs"}
"""Object stores by what speaks to them: of these an object is written whole or not at all."""
_FOLDER = "file"


class PackageMissing(RuntimeError):
    """What speaks to a kind of store is not installed; the message says what to install."""


def scheme_of(url: str) -> str:
    """The kind of a place; "file" for a folder."""
    scheme, sign, _ = url.partition("://")
    return scheme.lower() if sign else _FOLDER


def package_of(scheme: str) -> str:
    """What speaks to such stores. Raises PackageMissing."""
    name = _STORES[scheme]
    if importlib.util.find_spec(name) is None:
        how = "'adloom[s3]'" if scheme == "s3" else name
        raise PackageMissing(f"pictures.url: {scheme}:// needs {name}: pip install {how}")
    return name


def _place(url: str) -> str:
    """Raises ValueError; what was given is not told, since it may hold a secret."""
    scheme = scheme_of(url)
    rest = url.partition("://")[2] if "://" in url else url
    if scheme == _FOLDER:
        if not PurePath(rest).is_absolute():
            raise ValueError("a folder is given by its whole path: /mnt/pictures")
        return rest
    if scheme not in _STORES:
        known = ", ".join(f"{name}://" for name in _STORES)
        raise ValueError(f"not a folder and none of {known}: mount it, and give its folder")
    bucket, _, prefix = rest.strip("/").partition("/")
    if "@" in bucket or "?" in rest or "#" in rest:
        raise ValueError("keep the login out of it: stores read theirs from the environment")
    if not bucket or ".." in prefix.split("/"):
        raise ValueError(f"not a bucket and a prefix: {scheme}://bucket/prefix")
    return f"{scheme}://{bucket}/{prefix}".rstrip("/")


def _web(url: str) -> str:
    """Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("not an address such as https://cdn.shop.example")
    if parts.username is not None or parts.password is not None:
        raise ValueError("keep the login out of it")
    return url.rstrip("/")


class PicturesSettings(Section):
    """`[pictures]`: where pictures of products and ads are kept, and where shoppers get them."""

    url: Annotated[str, AfterValidator(_place)] | None = Field(
        default=None,
        description="a folder that machines share, or s3://bucket/prefix, gs://, az://; none = "
        "under home. Logins come from the environment",
    )
    endpoint_url: Annotated[str, AfterValidator(_web)] | None = Field(
        default=None,
        description="of a store that speaks S3; none = AWS_ENDPOINT_URL, or Amazon's own",
    )
    public_url: Annotated[str, AfterValidator(_web)] | None = Field(
        default=None,
        description="where everybody may fetch what lies at url, such as a CDN: servers then send "
        "shoppers there",
    )
