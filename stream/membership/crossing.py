"""Users whose events come in two partitions: counted right, but by two members at once."""

from __future__ import annotations

from adloom.stream import metrics
from adloom.stream.membership.gaps import Notes

_NOTE = (
    "users have events in more than one partition: their counts are right, but members wait for "
    "one another, and their clicks may be out of order; key events by user id and partition them "
    "by murmur2, as Java's clients and adloom do (librdkafka: partitioner=murmur2_random)"
)


class Crossing:
    """Tells how many such events there are."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._told = 0

    def tell(self, crossed: int) -> None:
        """Takes the number of all such events so far."""
        if crossed > self._told:
            if not self._told:
                self._notes.tell(_NOTE)
            metrics.CROSSED_EVENTS.inc(crossed - self._told)
            self._told = crossed
