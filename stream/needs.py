"""What each use of the stream needs on the cluster's topics, and nothing more.

Beside these rights a group needs Read on its own id. The rights Read and Write bring Describe.
"""

from __future__ import annotations

from adloom.stream.cluster.rights import Needs, together
from adloom.stream.settings import KafkaSettings
from adloom.stream.topic_names import dead_letter_topic, event_topics, products_topic, topic_of

_READ, _WRITE = frozenset({"Read"}), frozenset({"Write"})


def to_send_events(kafka: KafkaSettings) -> Needs:
    """An ad server's: it tells what was shown and clicked."""
    return dict.fromkeys(event_topics(kafka), _WRITE)


def to_send_exposures(kafka: KafkaSettings) -> Needs:
    """Of who draws ads without a server."""
    return {topic_of(kafka, "exposure"): _WRITE}


def to_read_events(kafka: KafkaSettings) -> Needs:
    """Of who looks at events and changes nothing."""
    return dict.fromkeys(event_topics(kafka), _READ)


def to_consume_events(kafka: KafkaSettings) -> Needs:
    """A consumer's: what is no event goes to the dead letters."""
    return {**to_read_events(kafka), dead_letter_topic(kafka): _WRITE}


def to_replay_events(kafka: KafkaSettings) -> Needs:
    """Of who sends events and consumes them."""
    return together(to_send_events(kafka), to_consume_events(kafka))


def to_follow_products(kafka: KafkaSettings) -> Needs:
    """Of a catalogue that comes from its topic."""
    return {products_topic(kafka): _READ, dead_letter_topic(kafka): _WRITE}


def to_read_letters(kafka: KafkaSettings) -> Needs:
    """Of who looks at dead letters."""
    return {dead_letter_topic(kafka): _READ}


def to_replay_letters(kafka: KafkaSettings) -> Needs:
    """Of who sends dead letters to where they came from, and takes them off the list."""
    letters: Needs = {dead_letter_topic(kafka): _READ | _WRITE}
    return together(letters, to_send_events(kafka))
