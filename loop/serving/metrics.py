"""What Prometheus sees of the ad server; what it sees of the stream is `adloom.stream.metrics`.

No label holds what a client may choose: routes are templates, methods, statuses and reasons are
few, and of variants and versions those of late are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from threading import Lock
from typing import Literal, get_args

from prometheus_client import Counter, Gauge, Histogram, Info

from adloom.loop.serving.steps import Step

RefusalReason = Literal[
    "key",  # none, or a wrong one
    "other_site",
    "role",  # the key is known and may do other things
    "host",
    "rate",
    "queue_full",
    "too_large",
    "too_slow",
    "connections",
    "not_in_time",
    "nobody_waits",
    "part_away",
    "part_refuses",
    "invalid",
    "not_found",
    "not_possible",
    "failed",
]
"""Why a request got no answer of its own."""

Alias = int | str

_AD_BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 30.0, 60.0)
_STEP_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_REQUEST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256)

BUILD = Info("adloom_build", "The version of adloom that runs here")
BUILD.info({"version": version("adloom")})

HTTP_REQUESTS = Counter(
    "adloom_http_requests",
    "Requests that were answered, by the template of the route; other = no route",
    ["route", "method", "status"],
)
HTTP_SECONDS = Histogram(
    "adloom_http_request_seconds",
    "From the head of a request to the end of its answer",
    ["route"],
    buckets=_REQUEST_BUCKETS,
)
REFUSED = Counter("adloom_http_refused", "Requests that were refused or given up", ["reason"])

ADS = Counter(
    "adloom_ads",
    "Finished ads; degraded = the feature store was away, personalised = after clicks",
    ["source", "variant", "version", "degraded", "personalised"],
)
AD_TITLES = Counter("adloom_ad_titles", "Titles of finished ads, by who wrote them", ["source"])
ADS_HELD = Counter(
    "adloom_ads_held",
    "Drawn ads that nobody sees until a person decides, by what inspection found; review = nothing",
    ["fault"],
)
AD_SECONDS = Histogram(
    "adloom_ad_seconds", "From the request for an ad to its creative", buckets=_AD_BUCKETS
)
AD_STEP_SECONDS = Histogram(
    "adloom_ad_step_seconds",
    "What an ad spends in each step: wait, history, draw, encode, store",
    ["step"],
    buckets=_STEP_BUCKETS,
)
for _step in get_args(Step):
    AD_STEP_SECONDS.labels(_step)
BATCH_ADS = Histogram(
    "adloom_drawing_batch_ads", "Ads that one step of drawing draws on", buckets=_BATCH_BUCKETS
)
QUEUE_WAITING = Gauge("adloom_queue_waiting_ads", "Ads that no drawing has begun for")
QUEUE_LIMIT = Gauge("adloom_queue_limit_ads", "Ads that may wait; the next is refused by 429")
BATCH_LIMIT = Gauge("adloom_drawing_batch_limit_ads", "Ads that are drawn together at most")
DRAWING_RESTARTS = Counter(
    "adloom_drawing_restarts", "Times that the process that draws had ended and was started again"
)
BEHIND_WAITING = Gauge("adloom_behind_waiting_ads", "Ads for the pool that wait to be drawn")
BEHIND_LEFT_OUT = Counter(
    "adloom_behind_left_out", "Ads for the pool that were not drawn: too many waited"
)
BEHIND_FAILED = Counter("adloom_behind_failed", "Ads for the pool that came to nothing")
ANSWER_SECONDS = Histogram(
    "adloom_answer_seconds",
    "From a request with a deadline to its ad, by where that came from",
    ["source"],
    buckets=_REQUEST_BUCKETS,
)
EXPOSURES_LOST = Counter(
    "adloom_exposures_lost", "Ads that were shown, and whose exposure no broker took"
)

EVENTS_ACCEPTED = Counter(
    "adloom_http_events_accepted", "Events that came over HTTP and are on the broker", ["kind"]
)
EVENTS_REFUSED = Counter(
    "adloom_http_events_refused",
    "Events that came over HTTP and were refused; a request with a wrong one counts once",
    ["reason"],
)

VERSION_SERVED = Gauge(
    "adloom_version_served", "1 for the version that an alias serves now", ["alias", "version"]
)
ALIAS_FOLLOWED = Gauge(
    "adloom_alias_followed",
    "0 while an alias names what is not served, or cannot be asked for",
    ["alias"],
)
ALIAS_LOOKED = Gauge(
    "adloom_alias_last_look_timestamp_seconds", "When the registry last told what aliases name"
)
PART_UP = Gauge("adloom_part_up", "0 while a part is away, damaged or ended: see /readyz", ["part"])
READY = Gauge("adloom_ready", "1 while ads can be drawn, as /readyz tells")

_lock = Lock()
_served: set[tuple[str, str]] = set()
_followed: set[str] = set()


def tell_versions(served: Mapping[Alias, int]) -> None:
    """What every alias serves now, by alias; what it served before has no series any more."""
    now = {(str(alias), str(number)) for alias, number in served.items()}
    with _lock:
        for labels in now:
            VERSION_SERVED.labels(*labels).set(1)
        for labels in _served - now:
            VERSION_SERVED.remove(*labels)
        _served.clear()
        _served.update(now)


def tell_followed(followed: Mapping[Alias, bool]) -> None:
    """Whether each alias is followed; of others there is no series any more."""
    now = {str(alias): float(is_followed) for alias, is_followed in followed.items()}
    with _lock:
        for alias in _followed - now.keys():
            ALIAS_FOLLOWED.remove(alias)
        for alias, value in now.items():
            ALIAS_FOLLOWED.labels(alias).set(value)
        _followed.clear()
        _followed.update(now)
