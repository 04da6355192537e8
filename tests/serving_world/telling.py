"""What a server's metrics say: values by series, as `ServedApp.metrics` reads them."""

from __future__ import annotations

from typing import Any


def down(metrics: dict[str, float]) -> dict[str, str]:
    """Parts that are not up."""
    prefix, suffix = 'adloom_part_up{part="', '"}'
    return {
        series.removeprefix(prefix).removesuffix(suffix): "0"
        for series, value in metrics.items()
        if series.startswith(prefix) and value == 0
    }


def failed(metrics: dict[str, float]) -> float:
    """Requests that were answered by 500, by any server of this process."""
    return sum(
        value
        for series, value in metrics.items()
        if series.startswith("adloom_http_requests_total{") and 'status="500"' in series
    )


def agree(metrics: dict[str, float], ill: dict[str, str]) -> bool:
    """The registry is ill where the alias is not followed, and nowhere else."""
    followed = metrics['adloom_alias_followed{alias="champion"}'] == 1
    return followed == ("registry" not in ill)


def serves(version: int | None, metrics: dict[str, float], told: dict[str, Any]) -> bool:
    """In metrics and in `/readyz`; any version, where none is named."""
    if version is None:
        return True
    series = f'adloom_version_served{{alias="champion",version="{version}"}}'
    return told["version"] == str(version) and metrics.get(series) == 1
