"""Which records of the event log are in the features."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from adloom.feature_store.event_log import FILE_TOPIC, EventLog, LoggedEvent
from adloom.feature_store.progress import Progress, Reads


class Applied:
    """Tells it by what the features' progress says.

    What was logged under another topic id is in them, unless it came to the log after the topic
    that the progress tells of: then the features come to it yet.
    """

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._begun: dict[tuple[str, str, int], int] | None = None

    def among(
        self, events: Iterable[LoggedEvent], progress: Reads, besides: Iterable[LoggedEvent] = ()
    ) -> Iterator[LoggedEvent]:
        """Those events that are in the features.

        Args:
            besides: events that the log may have already, and the features surely have not.
        """
        coming = {(event.topic, event.topic_id, event.partition, event.offset) for event in besides}
        for event in events:
            known = progress.get(event.partition, {}).get(event.topic)
            if known is not None and known.topic_id == event.topic_id:
                applied = event.offset <= known.applied
            elif (event.topic, event.topic_id, event.partition, event.offset) in coming:
                applied = False
            elif event.topic == FILE_TOPIC or known is None:
                applied = True
            else:
                applied = self._is_before(event, known)
            if applied:
                yield event

    def _is_before(self, event: LoggedEvent, known: Progress) -> bool:
        unknown = len(self._begins)
        begins = self._begins.get((event.topic, event.topic_id, event.partition), unknown)
        other = self._begins.get((event.topic, known.topic_id, event.partition), unknown)
        return begins < other

    @property
    def _begins(self) -> dict[tuple[str, str, int], int]:
        """In which order the streams begin in the log; asked where two lives of a topic meet."""
        if self._begun is None:
            streams = self._log.streams()
            self._begun = {stream[:3]: number for number, stream in enumerate(streams)}
        return self._begun
