"""What Prometheus sees of the catalogue."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from adloom.loop.catalogue.intake.report import ImportReport

PRODUCTS = Counter(
    "adloom_catalogue_products",
    "Products that came to this process by feed, topic or HTTP",
    ["outcome"],
)
PROBLEM = Gauge(
    "adloom_catalogue_problem", "1 while products cannot be followed: see the log", ["source"]
)
OUTCOMES = ("new", "changed", "unchanged", "retired", "refused")


def count_products(report: ImportReport) -> None:
    """Add an import's counts, once it is over."""
    for outcome in OUTCOMES:
        PRODUCTS.labels(outcome).inc(getattr(report, outcome))
