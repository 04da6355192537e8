"""Ids under which offsets of a partition count.

A topic that is made anew has another id, and Kafka tells it. Where Kafka has lost the end of a
partition its offsets begin again too, under the same id: a number behind it tells these lives.
"""

from __future__ import annotations

_MARK = "~"


def topic_of(life: str) -> str:
    """The id that Kafka tells."""
    return life.partition(_MARK)[0]


def next_life(life: str) -> str:
    """The id of the same topic after this one."""
    topic, _, number = life.partition(_MARK)
    return f"{topic}{_MARK}{int(number or 0) + 1}"
