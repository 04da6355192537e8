"""The event log in an object store, over HTTP."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer
from pydantic import ValidationError

from adloom.feature_store.backend import LogUnavailable
from adloom.feature_store.event_log import EventLog
from adloom.feature_store.progress import Reached
from adloom.feature_store.settings import FeatureStoreSettings, LogSettings
from adloom.feature_store.store import FeatureStore
from tests.sample_events import at, logged

_LOGIN = {"AWS_ACCESS_KEY_ID": "of-tests", "AWS_SECRET_ACCESS_KEY": "of-tests"}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    os.environ |= _LOGIN | {"AWS_DEFAULT_REGION": "us-east-1", "AWS_REGION": "us-east-1"}
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    url = f"http://127.0.0.1:{server.get_host_and_port()[1]}"
    boto3.client("s3", endpoint_url=url).create_bucket(Bucket="shop")
    yield url
    server.stop()


def test_machines_share_one(endpoint: str, tmp_path: Path) -> None:
    settings = LogSettings(url="s3://shop/log", endpoint_url=endpoint)
    machines = [
        FeatureStore.open(FeatureStoreSettings(), tmp_path / f"{n}", settings) for n in range(2)
    ]

    def append(partition: int) -> None:
        for number in range(3):
            events = [
                logged(n, n, partition=partition, event_id=f"{partition}-{n}")
                for n in range(number * 2, number * 2 + 2)
            ]
            for _ in range(2):
                last = Reached("test.clicks", partition, "first", events[-1].offset)
                machines[partition].log.append(events, [last])

    with ThreadPoolExecutor() as threads:
        list(threads.map(append, range(2)))
    with machines[0].log.staged([[logged(99, 9, "exposure")]]) as put_in:
        put_in()
    for machine in machines:
        assert machine.log.records() == 13
        assert len(machine.log.read("click", since=at(2), until=at(4))) == 4
        assert len(machine.history_at([("ann", at(99))])[0]) == 12
        machine.close()
    assert not (tmp_path / "0" / "events").exists()


def test_a_bucket_that_is_not_there_is_told(endpoint: str) -> None:
    log = EventLog("s3://elsewhere/log", endpoint)
    with pytest.raises(LogUnavailable, match="s3://elsewhere/log cannot be used") as told:
        log.append([logged(0)])
    assert "used: the bucket's store says NoSuchBucket (" in str(told.value)
    assert "<" not in str(told.value)
    with pytest.raises(LogUnavailable, match="the bucket's store says NoSuchBucket"):
        EventLog("s3://elsewhere/log", endpoint).look()
    EventLog("s3://shop/not-yet", endpoint).look()


@pytest.mark.parametrize("url", ["s3://key:secret@shop/log", "ftp://shop/log", "s3://"])
def test_an_address_that_is_none_is_refused_and_not_told(url: str) -> None:
    with pytest.raises(ValidationError) as refused:
        LogSettings(url=url)
    assert "secret" not in str(refused.value)
