"""The slow baseline of `adloom bench stream`: Feast as anyone would have it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from adloom.loop.bench.push import Pushing, push_rate
from adloom.loop.bench.workload import Workload
from adloom.loop.bench.workload import produce as produce_load
from adloom.stream.settings import KafkaSettings

_LOADED = """
import sys
import adloom.loop.bench.push
print([name for name in sys.modules if name.startswith(("adloom.feature_store", "adloom.stream"))])
"""


def test_nothing_of_adlooms_that_changes_feast_is_loaded_with_it() -> None:
    told = subprocess.run([sys.executable, "-c", _LOADED], capture_output=True, text=True)
    assert told.stdout.strip() == "[]", told.stderr


@pytest.mark.slow
def test_pushes_as_many_events_as_asked_for(kafka: KafkaSettings, tmp_path: Path) -> None:
    produce_load(kafka, Workload("zipf"), 50)
    store = {"type": "sqlite", "path": str(tmp_path / "online.db")}
    places = [(kafka.topic("clicks"), number) for number in range(kafka.partitions)]
    folder = tmp_path / "feast"
    rate = push_rate(Pushing(kafka.client_options(), places, 1, store, str(folder)), 60)
    assert rate > 0
    assert (folder / "registry.db").exists()
    assert (tmp_path / "online.db").exists()


def test_what_feast_refuses_is_told_in_its_words(kafka: KafkaSettings, tmp_path: Path) -> None:
    pushing = Pushing(kafka.client_options(), [], 1, {"type": "none-such"}, str(tmp_path / "new"))
    with pytest.raises(RuntimeError, match=r"pushing by Feast failed: .*none-such"):
        push_rate(pushing, 60)
