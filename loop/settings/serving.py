"""Settings of what runs as a server: the ad server, its replicas, the consumer's metrics."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, IPvAnyNetwork, model_validator

from adloom.loop.settings.keys import KeySettings, rate
from adloom.loop.settings.section import Section
from adloom.loop.settings.web_addresses import prefix, public_address

_HOST = re.compile(r"(\*\.)?[a-z0-9_]([a-z0-9_.-]{0,250}[a-z0-9_])?")


def _host(text: str) -> str:
    """In small letters; IPv6 without brackets."""
    host = text.strip().lower().removesuffix(".")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    try:
        return str(ip_address(host))
    except ValueError:
        if _HOST.fullmatch(host) and ".." not in host:
            return host
    raise ValueError(
        f"{text!r} is no name of a machine: no scheme, port or path (ads.example.com, "
        "*.example.com, 10.0.0.5)"
    )


class ConsumeSettings(Section):
    """Where `adloom consume` serves /metrics, /healthz and /readyz."""

    host: str = "127.0.0.1"
    port: int | None = Field(default=None, ge=0, le=65_535, description="none = nowhere")


class ServeSettings(KeySettings):
    """The ad server."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65_535)
    follow_seconds: float = Field(
        default=2.0, gt=0, le=60, description="how often the champion alias is looked at"
    )
    drawing: Literal["apart", "here"] = Field(
        default="apart",
        description="apart = in a process of its own, so that no answer waits for it; here = in "
        "the server's, which needs some 300 MB less and answers later while it draws",
    )
    drawing_processes: int | None = Field(
        default=None,
        ge=1,
        le=64,
        description="how many draw apart, each with its share of the threads and with weights of "
        "its own; none = one a core, at most 4, for a small base without a GPU, else one",
    )
    max_batch: int = Field(default=16, ge=1, le=256, description="requests drawn together")
    max_waiting: int = Field(
        default=256, ge=1, description="requests in the queue before new ones are turned away"
    )
    timeout_seconds: float = Field(
        default=60.0, gt=0, description="an ad that is not drawn by then is given up"
    )
    deadline_ms: int | None = Field(
        default=None,
        ge=1,
        le=60_000,
        description="of requests that tell none: answered by then, from the pool of finished ads "
        "where drawing takes longer; none = every ad is drawn anew and waited for",
    )
    report_days: int = Field(
        default=30,
        ge=1,
        le=3_650,
        description="so long can be reported that an ad was shown whose exposure was not logged",
    )
    rate_limit: Annotated[str, AfterValidator(rate)] = Field(
        default="6000/minute",
        description="of one key, or where no key is needed of one address; of IPv6 of a /64",
    )
    hosts: tuple[Annotated[str, AfterValidator(_host)], ...] = Field(
        default=(),
        description="names that the server is asked by, without port; *.example.com = all below; "
        "localhost and the address that a request comes to are always taken",
    )
    public_url: Annotated[str, AfterValidator(public_address)] | None = Field(
        default=None,
        description="where shoppers reach it, such as https://shop.example/ads: addresses of "
        "pictures in answers begin with it, and its host is one of hosts",
    )
    root_path: Annotated[str, AfterValidator(prefix)] | None = Field(
        default=None,
        description="the path below which a proxy shows it, taken off by the proxy or not; none = "
        "that of public_url",
    )
    trusted_proxies: tuple[IPvAnyNetwork, ...] = Field(
        default=(),
        description="addresses or networks whose X-Forwarded-For and X-Forwarded-Proto are "
        "believed; none = nobody's",
    )
    max_connections: int = Field(
        default=512, ge=8, le=100_000, description="at a time; those that wait make room first"
    )

    @property
    def path_prefix(self) -> str:
        """The path before all of the server's paths; "" where there is none."""
        if self.root_path is not None:
            return self.root_path
        return urlsplit(self.public_url).path if self.public_url is not None else ""

    @property
    def own_hosts(self) -> tuple[str, ...]:
        """Names that it goes by, with the one that shoppers know."""
        shown = urlsplit(self.public_url).hostname if self.public_url is not None else None
        return self.hosts if shown is None else (*self.hosts, shown)


class RaySettings(Section):
    """`adloom serve --ray`: as many replicas of the ad server as the load asks for."""

    address: str | None = Field(
        default=None, description="of a Ray cluster, or auto; none = Ray is started here"
    )
    min_replicas: int = Field(default=1, ge=1)
    max_replicas: int | None = Field(
        default=None, ge=1, description="none = as many as Ray has room for at the start"
    )
    target_ongoing_requests: float = Field(
        default=8.0, gt=0, description="of one replica on average; beyond it there are more of them"
    )
    cpus: float = Field(default=1.0, gt=0, description="of one replica, and its threads")
    gpus: float = Field(
        default=0.0, ge=0, description="of one replica, 0.5 is half of one; with 0 it sees none"
    )

    @model_validator(mode="after")
    def _bounds_are_in_order(self) -> Self:
        if self.max_replicas is not None and self.max_replicas < self.min_replicas:
            raise ValueError("max_replicas is less than min_replicas")
        return self
