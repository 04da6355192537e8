"""The registered versions as the page shows them: what each is for, what may be done with it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import quote

from pydantic import BaseModel, Field

from adloom.loop.learning.emptied import is_emptied
from adloom.loop.learning.registry import CHAMPION, AdRegistry, Version
from adloom.loop.learning.registry_errors import without_login

_NOT_PASSED = ("failed", "undecided")


class VersionCard(BaseModel):
    """A registered version; losses are nats a token on held-out clicks."""

    number: int
    created: datetime
    aliases: list[str]
    gate: str | None
    why: str = Field(description="why the gate did not let it pass; '' where it did")
    parent: str | None
    heldout_before: float | None
    heldout_after: float | None
    run_id: str = Field(description="MLflow's id of the run that made it; '' where none did")
    run_url: str | None = Field(description="that run's page, where MLflow has a web address")
    drawable: bool = Field(description="false: its adapter was removed")


class Versions(BaseModel):
    """All of them, the newest first."""

    versions: list[VersionCard]
    back_to: int | None = Field(description="the champion before this one; null: none to go to")


def versions_shown(registry: AdRegistry) -> Versions:
    """What the registry has now."""
    found = registry.versions()
    return Versions(
        versions=[_card(version, registry.tracking_uri) for version in reversed(found)],
        back_to=_back_to(found, registry.former_champions()),
    )


def refused_by_gate(version: Version) -> str | None:
    """Why it did not pass, in one line; None where it did, or nobody judged it."""
    gate = version.tags.get("gate")
    if gate not in _NOT_PASSED:
        return None
    return version.tags.get("gate_objections") or f"it is {gate}, and nothing says why"


def run_url(run_id: str, tracking_uri: str) -> str | None:
    """The run's page in MLflow; None where that has none. A login in the address stays here."""
    if not run_id or not tracking_uri.lower().startswith(("http://", "https://")):
        return None
    return f"{without_login(tracking_uri).rstrip('/')}/#/runs/{quote(run_id, safe='')}"


def _back_to(versions: Sequence[Version], former: Sequence[int]) -> int | None:
    """Where a rollback leads; None where there is nothing, or what is there lost its adapter."""
    others = {v.number: v for v in versions if CHAMPION not in v.aliases}
    back = next((others[number] for number in reversed(former) if number in others), None)
    return None if back is None or is_emptied(back) else back.number


def _card(version: Version, tracking_uri: str) -> VersionCard:
    tags = version.tags

    def figure(name: str) -> float | None:
        return float(tags[name]) if name in tags else None

    return VersionCard(
        number=version.number,
        created=version.created,
        aliases=list(version.aliases),
        gate=tags.get("gate"),
        why=refused_by_gate(version) or "",
        parent=tags.get("parent"),
        heldout_before=figure("heldout_loss_before"),
        heldout_after=figure("heldout_loss_after"),
        run_id=version.run_id,
        run_url=run_url(version.run_id, tracking_uri),
        drawable=not is_emptied(version),
    )
