"""What is older than `privacy.retention_days` goes, and does not come back."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update
from typer.testing import CliRunner

from adloom.feature_store.checking import check_all
from adloom.loop import home
from adloom.loop.commands.app import app
from adloom.loop.database.tables import creatives as creative_rows
from adloom.loop.exposures.kept import KeptExposures
from adloom.loop.forgetting.kept import opened
from adloom.loop.forgetting.retention import expire
from adloom.loop.privacy.reading import first_day
from adloom.stream.forgotten import NOBODY, why_left_out
from tests.loop.forgetting.lived_in import (
    CANARY,
    OTHERS,
    as_sent,
    clicks,
    drawn_for,
    learn,
    shop,
    take,
)
from tests.loop.forgetting.searching import files_with

_DAYS = 7


def test_days_are_kept_whole() -> None:
    at = datetime(2026, 3, 10, 15, 30, tzinfo=UTC)
    assert first_day(at, 7) == datetime(2026, 3, 3, tzinfo=UTC)


def test_what_is_old_goes_and_what_is_young_stays(tmp_path: Path) -> None:
    settings = shop(tmp_path, privacy={"retention_days": _DAYS})
    with home.open_features(settings) as features:
        take(features, clicks(settings, [CANARY, *OTHERS], timedelta(days=20)))
        old = drawn_for(settings, features, CANARY, 7)
        take(features, [old._replace(ts=old.ts - timedelta(days=20))])
        learn(settings, features)
        take(features, clicks(settings, OTHERS, timedelta(hours=2)))
        young = drawn_for(settings, features, OTHERS[0], 8)
    plan = settings.home / "rounds" / "round-0001" / "plan.json"
    told = json.loads(plan.read_text())
    plan.write_text(json.dumps(told | {"until": "2026-01-02T00:00:00Z"}))
    with opened(settings) as kept:
        long_ago = datetime.now(UTC) - timedelta(days=20)
        of_old = creative_rows.c.ad_id == old.ad_id
        with kept.database.begin() as connection:
            connection.execute(update(creative_rows).where(of_old).values(served_at=long_ago))
        waiting = KeptExposures(kept.database, 365)
        waiting.keep([as_sent(old._replace(ts=long_ago)), as_sent(young)], NOBODY)
        before = expire(kept, _DAYS, dry_run=True)
        assert (before.events, before.creatives, before.exposures) == (49, 1, 1)
        assert files_with(CANARY, settings.home)
        expired = expire(kept, _DAYS)
        assert expired.complete
        assert (expired.events, expired.creatives, expired.pictures, expired.plans) == (49, 1, 1, 1)
        assert expired.exposures == 1
        again = expire(kept, _DAYS)
        assert (again.events, again.creatives, again.plans) == (0, 0, 0)
        assert check_all(kept.features).differing == 0
        assert kept.features.user_stats([OTHERS[0]])[OTHERS[0]].clicks == 6
    assert files_with(CANARY, settings.home) == []
    with closing(home.open_creatives(settings)) as creatives:
        assert creatives.known([str(old.ad_id), str(young.ad_id)]) == {young.ad_id}
    with home.who_is_forgotten(settings, "a test") as reader:
        assert why_left_out(reader, "bob", long_ago) == "retention"
        assert why_left_out(reader, "bob", datetime.now(UTC)) is None


def test_the_command_asks_for_the_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["retention"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "privacy.retention_days is not set" in result.stderr
    env = {"ADLOOM_PRIVACY__RETENTION_DAYS": "30"}
    result = CliRunner().invoke(app, ["retention", "--json"], env=env)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["events"] == 0
