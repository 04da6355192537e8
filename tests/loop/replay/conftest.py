"""Commands on the past, beside a broker."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from adloom.stream.settings import KafkaSettings


@pytest.fixture
def cli(kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> CliRunner:
    """Runs commands in a home of their own, with topics and a group of their own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ADLOOM_HOME", str(tmp_path))
    monkeypatch.setenv("ADLOOM_KAFKA__BOOTSTRAP_SERVERS", str(kafka.bootstrap_servers))
    monkeypatch.setenv("ADLOOM_KAFKA__TOPIC_PREFIX", kafka.topic_prefix)
    monkeypatch.setenv("ADLOOM_KAFKA__GROUP_ID", kafka.group_id)
    return CliRunner()
