"""The order in which a training meets the records of a data set."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import pytest

from adloom.models.datasets import shards
from adloom.models.datasets.shards import BadShards, Manifest, shard_file, write_shard
from adloom.models.training.base.records import ShuffledRecords
from tests.models.datasets.test_shards import record

COUNT = 30


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(shards, "ROWS_AT_ONCE", 4)
    rows = [record(n, 6, split="heldout" if n % 5 == 0 else "train") for n in range(COUNT)]
    for number in range(3):
        write_shard(tmp_path, number, rows[number::3])
    Manifest(codebook="c", history_codebook="c", picture_size=8, shards=3, complete=True).save(
        tmp_path
    )
    return tmp_path


def ids(records: ShuffledRecords, positions: range) -> list[str]:
    return [records.record(position).record_id for position in positions]


def test_each_epoch_has_every_record_of_its_split_once_in_another_order(data: Path) -> None:
    records = ShuffledRecords(data, "train", seed=0, window=2)
    wanted = {f"r{n}" for n in range(COUNT) if n % 5}
    size = len(records)
    assert size == len(wanted)
    first, second = ids(records, range(size)), ids(records, range(size, 2 * size))
    assert set(first) == set(second) == wanted
    assert first != second
    assert first != sorted(first)
    assert ids(ShuffledRecords(data, "train", seed=1, window=2), range(size)) != first


def test_processes_that_deal_the_positions_meet_each_record_once(data: Path) -> None:
    size = len(ShuffledRecords(data, "train", seed=0, window=2))
    dealt = [
        ids(ShuffledRecords(data, "train", seed=0, window=2), range(rank, size, 3))
        for rank in range(3)
    ]
    assert sorted(chain(*dealt)) == sorted(ids(ShuffledRecords(data, "train", seed=0), range(size)))


def test_a_run_goes_on_at_any_position(data: Path) -> None:
    whole = ids(ShuffledRecords(data, "train", seed=3, window=2), range(40))
    assert ids(ShuffledRecords(data, "train", seed=3, window=2), range(29, 40)) == whole[29:]


def test_histories_are_drawn_anew_each_time_and_alike_by_each_reader(data: Path) -> None:
    records = ShuffledRecords(data, "heldout", seed=0)
    size = len(records)

    def histories(reader: ShuffledRecords) -> list[tuple[str, ...]]:
        return [
            tuple(ad.ad_id for ad in reader.example(epoch * size, 2).brief.history)
            for epoch in range(8)
        ]

    found = histories(records)
    assert all(len(history) == 2 for history in found)
    assert len(set(found)) > 1
    assert histories(ShuffledRecords(data, "heldout", seed=0)) == found
    assert records.example(0, 0).brief.history == ()


def test_no_more_than_a_window_is_in_memory(data: Path) -> None:
    records = ShuffledRecords(data, "train", seed=0, window=2)
    held = []
    for position in range(len(records)):
        records.record(position)
        assert records._window is not None
        held.append(len(records._window[1]))
    assert max(held) <= 2 * 4


def test_a_damaged_shard_is_named(data: Path) -> None:
    shard_file(data, 1).write_bytes(b"PAR1 cut off")
    with pytest.raises(BadShards, match=r"shard-00001\.parquet cannot be read"):
        ShuffledRecords(data, "train", seed=0)
