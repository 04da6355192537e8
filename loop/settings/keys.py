"""Settings of who may ask the ad server for what: keys by role, and the pages of a public one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from adloom.loop.settings.section import Section
from adloom.loop.settings.web_addresses import ANY_ORIGIN, origin

Role = Literal["write", "review", "admin", "forget", "publishable"]
STAFF: tuple[Role, ...] = ("write", "review", "admin")
"""Roles of those who are asked for a key wherever keys are set."""

ApiKey = Annotated[SecretStr, Field(min_length=16, max_length=256)]
Keys = tuple[ApiKey, ...]
_LISTS: dict[str, tuple[Role, ...]] = {
    "api_keys": STAFF,
    "write_keys": ("write",),
    "review_keys": ("review",),
    "admin_keys": ("admin",),
    "publishable_keys": ("publishable",),
    "forget_keys": ("forget",),
}


def rate(text: str) -> str:
    """A number of requests in a time, such as 600/minute. Raises ValueError."""
    from limits import parse  # it loads asyncio: for who sets a rate, not for every `--help`

    if parse(text).amount < 1:
        raise ValueError("it lets nobody in: the number is 1 at least")
    return text


class KeySettings(Section):
    """Keys are asked for in X-API-Key; keep those that are secret in the environment, as JSON lists
    (`ADLOOM_SERVE__WRITE_KEYS`).
    """

    api_keys: Keys = Field(
        default=(),
        description="may do what write, review and admin keys may; where there are none of all "
        "these, nobody is asked, on loopback only",
    )
    write_keys: Keys = Field(default=(), description="send events and ask for ads")
    review_keys: Keys = Field(default=(), description="approve and ban creatives")
    admin_keys: Keys = Field(
        default=(), description="promote and roll back versions, change products"
    )
    publishable_keys: Keys = Field(
        default=(),
        description="send impressions and clicks from pages of cors_origins, and may be in these "
        "pages for all to read",
    )
    forget_keys: Keys = Field(
        default=(),
        description="erase users (POST /v1/users/{id}/forget), which no other key may; none = "
        "nobody may",
    )
    cors_origins: tuple[Annotated[str, AfterValidator(origin)], ...] = Field(
        default=(),
        description="of pages that send events by a publishable key and read pictures, such as "
        'https://shop.example; ["*"] = of all there are; the server\'s own are always taken',
    )
    page_rate_limit: Annotated[str, AfterValidator(rate)] = Field(
        default="600/minute",
        description="of one address that uses a publishable key; of IPv6 of a /64",
    )

    @property
    def key_needed(self) -> bool:
        """True where staff is asked for a key."""
        return any(set(roles) & set(STAFF) for _, roles in self.known_keys())

    def known_keys(self) -> list[tuple[bytes, frozenset[Role]]]:
        """Each key with what it may do."""
        return [
            (key.get_secret_value().encode(), frozenset(roles))
            for name, roles in _LISTS.items()
            for key in getattr(self, name)
        ]

    @model_validator(mode="after")
    def _a_key_is_of_one_list(self) -> Self:
        listed: dict[str, str] = {}
        for name in _LISTS:
            for key in {one.get_secret_value() for one in getattr(self, name)}:
                if other := listed.get(key):
                    raise ValueError(f"{other} and {name} have the same key: make one for each")
                listed[key] = name
        return self

    @model_validator(mode="after")
    def _public_keys_open_nothing_else(self) -> Self:
        if self.publishable_keys and not self.key_needed:
            raise ValueError(
                "publishable_keys are for pages alone, and all else here is open to anyone: set "
                "api_keys, or write_keys, review_keys and admin_keys, too"
            )
        if ANY_ORIGIN in self.cors_origins:
            if len(self.cors_origins) > 1:
                raise ValueError('cors_origins: "*" stands for all origins: name no others')
            if not self.publishable_keys:
                raise ValueError(
                    'cors_origins: "*" lets pages of any site send events by a publishable key: '
                    "set publishable_keys, or name the origins"
                )
        return self


def lists_of(role: Role) -> list[str]:
    """The settings whose keys have a role, that of nothing but it first."""
    having: Mapping[str, tuple[Role, ...]] = {n: r for n, r in _LISTS.items() if role in r}
    return [f"serve.{name}" for name in sorted(having, key=lambda name: len(having[name]))]
