"""Which partitions the log has events of, and how far it has them."""

from __future__ import annotations

from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from adloom.feature_store.log_layout import PLACE, Where
from adloom.feature_store.log_order import STREAM
from adloom.feature_store.log_table import LogTable
from adloom.feature_store.progress import NOTHING, Reached


class LoggedStream(NamedTuple):
    """A partition of a topic that the log has events of, and how far it has them."""

    topic: str
    topic_id: str
    partition: int
    last: int


def streams_of(table: LogTable) -> list[LoggedStream]:
    """All of them, by which was appended to first."""
    firsts = table.streams().sort_by([(PLACE, "ascending")])
    every = zip(*(firsts.column(name).to_pylist() for name in STREAM), strict=True)
    return [
        LoggedStream(topic, topic_id, partition, _last(table, topic, topic_id, partition))
        for topic, topic_id, partition in every
    ]


def _last(table: LogTable, topic: str, topic_id: str, partition: int) -> int:
    noted = table.noted(Reached(topic, partition, topic_id, 0))
    if noted > NOTHING:
        return noted
    last = last_offset_of(table, topic, topic_id, partition)
    return NOTHING if last is None else last


def of_stream(topic: str, topic_id: str, partition: int) -> pc.Expression:
    """Rows of a partition of a topic."""
    return (
        (pc.field("topic") == topic)
        & (pc.field("topic_id") == topic_id)
        & (pc.field("partition") == pa.scalar(partition, pa.int32()))
    )


def last_offset_of(table: LogTable, topic: str, topic_id: str, partition: int) -> int | None:
    """The highest offset that is logged of a partition; None where there is none."""
    stream = of_stream(topic, topic_id, partition)
    for least in (_highest_begin(table, topic), 0):  # the newest files have it, if any has
        where: Where = [("topic", "=", topic), ("offset", ">=", least)]
        rows = table.rows(["offset"], stream & (pc.field("offset") >= least), where)
        if rows.num_rows:
            return int(pc.max(rows.column("offset")).as_py())
    return None


def _highest_begin(table: LogTable, topic: str) -> int:
    """The lowest offset in the file that has the highest, of those that may have the topic's."""
    files = table.files()
    if not files.num_rows:
        return 0
    has_topic = pc.and_(
        pc.less_equal(files.column("min.topic"), topic),
        pc.greater_equal(files.column("max.topic"), topic),
    )
    files = files.filter(has_topic).sort_by([("max.offset", "descending")])
    return int(files.column("min.offset")[0].as_py()) if files.num_rows else 0
