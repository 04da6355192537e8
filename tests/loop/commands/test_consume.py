"""`adloom consume` on a broker that has none of its topics yet."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from pathlib import Path

from adloom.stream.settings import KafkaSettings
from adloom.stream.topics import topic_ids

_COMMAND = "from adloom.loop.commands.app import app; app()"


def test_the_first_program_on_a_fresh_broker_makes_what_is_missing(
    kafka: KafkaSettings, tmp_path: Path
) -> None:
    fresh = kafka.model_copy(update={"topic_prefix": f"test-{uuid.uuid4().hex[:12]}"})
    given = {"bootstrap_servers", "topic_prefix", "session_seconds"}
    environment = {f"ADLOOM_KAFKA__{name.upper()}": str(getattr(fresh, name)) for name in given} | {
        "ADLOOM_HOME": str(tmp_path / "home")
    }
    with subprocess.Popen(
        [sys.executable, "-c", _COMMAND, "consume"],
        cwd=tmp_path,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as consuming:
        assert consuming.stdout is not None
        try:
            made = consuming.stdout.readline()
            assert f"{fresh.topic_prefix}.clicks" in made
            assert f"{fresh.topic_prefix}.deadletter" in made
            assert "Consuming from" in consuming.stdout.readline()
            assert len(topic_ids(fresh)) == 3
        finally:
            consuming.kill()
