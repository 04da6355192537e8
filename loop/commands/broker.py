"""The broker is asked before a command loads its heavy parts: one that is away is told at once."""

from __future__ import annotations

from adloom.loop.commands.errors import fail
from adloom.stream.settings import KafkaSettings

_PATIENCE_SECONDS = 3.0


def broker_of(kafka: KafkaSettings, command: str) -> KafkaSettings:
    """The settings of a broker that takes adloom in; `command` cannot do without one."""
    if kafka.bootstrap_servers is None:
        fail(f"{command} needs a broker: set ADLOOM_KAFKA__BOOTSTRAP_SERVERS=host:port")
    reach_broker(kafka)
    return kafka


def reach_broker(kafka: KafkaSettings) -> None:
    """Ends the command where a cluster is set and does not take adloom in."""
    if kafka.bootstrap_servers is None:
        return
    from adloom.stream.cluster.reaching import reach

    reach(kafka, _PATIENCE_SECONDS)
