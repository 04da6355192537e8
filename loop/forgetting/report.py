"""What was found of users, and what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from adloom.stream.erasing import TopicLeft


class Found(BaseModel):
    """What was found of one user, kept until all of it is gone: it names nobody.

    What went of several users at once is told of the first of them.
    """

    model_config = ConfigDict(extra="ignore")

    events: dict[str, int] = {}
    ads: list[str] = []
    rounds: list[int] = []
    versions: list[int] = []
    places: list[tuple[str, int]] = []
    exposures: int = 0
    pictures: int = 0
    evaluations: int = 0
    dead_letters: int = 0
    rounds_given_up: list[int] = []

    def with_(self, other: Found) -> Found:
        """Both together: after a crash some of it is gone already, and told all the same."""
        return Found(
            events={
                kind: max(self.events.get(kind, 0), other.events.get(kind, 0))
                for kind in (*self.events, *other.events)
            },
            ads=sorted({*self.ads, *other.ads}),
            rounds=sorted({*self.rounds, *other.rounds}),
            versions=sorted({*self.versions, *other.versions}),
            places=sorted({*self.places, *other.places}),
            exposures=max(self.exposures, other.exposures),
            pictures=self.pictures + other.pictures,
            evaluations=self.evaluations + other.evaluations,
            dead_letters=self.dead_letters + other.dead_letters,
            rounds_given_up=sorted({*self.rounds_given_up, *other.rounds_given_up}),
        )


class Topic(BaseModel):
    """What a topic still has: ``waits`` where its retention, or somebody, has to see to it."""

    topic: str
    state: str
    why: str = ""
    until: datetime | None = None


class Report(BaseModel):
    """What became of what was kept of users; of a dry run, what there is."""

    users: int
    dry_run: bool = False
    complete: bool = Field(
        default=True, description="false: see waits, and ask again once that is seen to"
    )
    waits: list[str] = Field(default=[], description="what keeps it from being complete")
    notes: list[str] = Field(default=[], description="what someone should see to besides")
    opted_out: bool = False
    events: dict[str, int] = Field(default={}, description="in the event log, by kind")
    creatives: int = Field(default=0, description="ads that nobody else was shown")
    exposures: int = Field(default=0, description="kept until they are reported, or since then")
    pictures: int = 0
    dead_letters: int = 0
    rounds: list[int] = Field(default=[], description="rounds whose clicks were theirs too")
    rounds_given_up: list[int] = Field(
        default=[], description="rounds that were cut off and had learned from their clicks"
    )
    versions: list[int] = Field(
        default=[], description="versions that learned from their clicks; they stay"
    )
    evaluations: int = Field(default=0, description="files of runs that showed their ads")
    topics: list[Topic] = Field(default=[], description="what topics of events still have")

    @classmethod
    def of(cls, users: int, found: Iterable[Found], *, dry_run: bool = False) -> Report:
        """The sum of what was found of all."""
        every = list(found)
        events: Counter[str] = Counter()
        for one in every:
            events.update(one.events)

        def numbers(name: str) -> list[int]:
            return sorted({number for one in every for number in getattr(one, name)})

        return cls(
            users=users,
            dry_run=dry_run,
            events=dict(events),
            creatives=len({ad for one in every for ad in one.ads}),
            exposures=sum(one.exposures for one in every),
            pictures=sum(one.pictures for one in every),
            dead_letters=sum(one.dead_letters for one in every),
            rounds=numbers("rounds"),
            rounds_given_up=numbers("rounds_given_up"),
            versions=numbers("versions"),
            evaluations=sum(one.evaluations for one in every),
        )

    def add_topics(self, left: Iterable[TopicLeft]) -> None:
        """Each topic once; one that waits goes before."""
        known = {topic.topic: topic for topic in self.topics}
        for one in left:
            if one.topic not in known or one.state == "waits":
                known[one.topic] = Topic(**one._asdict())
        self.topics = sorted(known.values(), key=lambda topic: topic.topic)

    def add(self, other: Report) -> None:
        """Another part of the same users."""
        self.users += other.users
        self.complete &= other.complete
        self.waits = list(dict.fromkeys([*self.waits, *other.waits]))
        self.notes = list(dict.fromkeys([*self.notes, *other.notes]))
        self.events = dict(Counter(self.events) + Counter(other.events))
        for name in ("creatives", "exposures", "pictures", "dead_letters", "evaluations"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("rounds", "rounds_given_up", "versions"):
            setattr(self, name, sorted({*getattr(self, name), *getattr(other, name)}))
        self.add_topics(
            TopicLeft(
                topic.topic, "waits" if topic.state == "waits" else "erased", topic.why, topic.until
            )
            for topic in other.topics
        )
