"""Counts finished ads, and what they spent in each step."""

from __future__ import annotations

from threading import Lock

from adloom.loop.serving import metrics
from adloom.loop.serving.finished import Ad

MOST_SERIES = 64  # of variants by version

_lock = Lock()
_known: dict[tuple[str, str], None] = {}  # in the order of their last ad


def count_ad(ad: Ad) -> None:
    """Count an ad that is in the creative store.

    Of variants by version those that drew last keep their series: a server that runs for a year
    follows many versions.
    """
    source = "drawn" if ad.request.preview is None else "preview"
    count_source(source, ad.variant, ad.creative.version, ad.degraded, ad.personalised)
    metrics.AD_TITLES.labels(ad.title_source).inc()
    for step in ad.steps:
        metrics.AD_STEP_SECONDS.labels(step.step).observe(step.seconds)
    if ad.steps:
        metrics.AD_SECONDS.observe(ad.steps[-1].ended - ad.steps[0].began)


def count_source(
    source: str, variant: str, version: str, degraded: bool, personalised: bool
) -> None:
    """Count an ad by where it came from."""
    with _lock:
        _known.pop((variant, version), None)
        _known[variant, version] = None
        while len(_known) > MOST_SERIES:
            oldest = next(iter(_known))
            del _known[oldest]
            metrics.ADS.remove_by_labels(dict(zip(("variant", "version"), oldest, strict=True)))
        series = metrics.ADS.labels(source, variant, version, _told(degraded), _told(personalised))
    series.inc()


def _told(yes: bool) -> str:
    return "true" if yes else "false"
