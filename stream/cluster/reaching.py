"""Whether the cluster takes adloom in, by any of its servers: what waiting mends is waited for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, as_completed
from typing import TypeVar

from kafka.cluster import collect_hosts
from kafka.errors import KafkaConnectionError, KafkaError, NodeNotReadyError

from adloom.stream.cluster.greeting import HungUp, greet
from adloom.stream.cluster.refusals import BrokerUnavailable, KafkaRefused, LoginRefused, refusal_of
from adloom.stream.settings import KafkaSettings

_Answer = TypeVar("_Answer")

_OF_ONE_SERVER = (KafkaConnectionError, NodeNotReadyError, OSError)
_UNSURE_SECONDS = 3.0
_PAUSE_SECONDS = 0.25


def reach(kafka: KafkaSettings, patience_seconds: float) -> None:
    """Returns as soon as one of the servers takes adloom in.

    Raises:
        KafkaRefused: no waiting mends it.
        BrokerUnavailable: the patience is over.
    """
    started = time.monotonic()
    while problems := _greet_all(kafka):
        waited = time.monotonic() - started
        patience = patience_seconds
        refused = [isinstance(found, KafkaRefused) for found in problems]
        if all(refused) or any(isinstance(found, LoginRefused) for found in problems):
            patience = 0.0
        elif all(isinstance(found, KafkaRefused | HungUp) for found in problems):
            patience = min(_UNSURE_SECONDS, patience)  # a broker that starts hangs up for less
        if waited >= patience:
            raise _worst(kafka, problems)
        time.sleep(_PAUSE_SECONDS)


def answered(ask: Callable[[], _Answer], kafka: KafkaSettings, patience_seconds: float) -> _Answer:
    """What the cluster answers: a server that has just gone is no reason, while others are there.

    Raises:
        KafkaRefused: no waiting mends it.
        BrokerUnavailable: no server takes adloom in, or the patience is over.
    """
    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            return ask()
        except (KafkaError, OSError) as error:
            if (refused := refusal_of(error, kafka)) is not None:
                raise refused from error
            if problems := _greet_all(kafka):
                raise _worst(kafka, problems) from error
            if not isinstance(error, _OF_ONE_SERVER) or time.monotonic() > deadline:
                raise _away(kafka, error) from error
        time.sleep(_PAUSE_SECONDS)


def why_away(error: BaseException, kafka: KafkaSettings) -> KafkaRefused | BrokerUnavailable:
    """What an error of the client means; where it does not say, the servers are greeted once."""
    if (refused := refusal_of(error, kafka)) is not None:
        return refused
    if problems := _greet_all(kafka):
        return _worst(kafka, problems)
    return _away(kafka, error)


def _away(kafka: KafkaSettings, error: object) -> BrokerUnavailable:
    return BrokerUnavailable(f"no Kafka broker answers at {kafka.bootstrap_servers}: {error}")


def _greet_all(kafka: KafkaSettings) -> list[KafkaRefused | BrokerUnavailable]:
    """What is wrong with each server; nothing once one is well.

    All at once: a server behind a wall that drops packets takes its seconds, and so would each.
    """
    hosts = [
        (host, port) for host, port, _ in collect_hosts(kafka.client_options()["bootstrap_servers"])
    ]
    greetings = [_greeting(host, port, kafka) for host, port in hosts]
    for done in as_completed(greetings):
        if done.result() is None:
            return []
    return [problem for done in greetings if (problem := done.result()) is not None]


def _greeting(
    host: str, port: int, kafka: KafkaSettings
) -> Future[KafkaRefused | BrokerUnavailable | None]:
    """What is wrong with a server, once it is known, by a thread that keeps no program alive."""
    done: Future[KafkaRefused | BrokerUnavailable | None] = Future()

    def run() -> None:
        try:
            greet(host, port, kafka)
        except (KafkaRefused, BrokerUnavailable) as error:
            done.set_result(error)
        except BaseException as error:
            done.set_exception(error)
        else:
            done.set_result(None)

    threading.Thread(target=run, name=f"greet {host}:{port}", daemon=True).start()
    return done


def _worst(
    kafka: KafkaSettings, problems: list[KafkaRefused | BrokerUnavailable]
) -> KafkaRefused | BrokerUnavailable:
    for found in problems:
        if isinstance(found, KafkaRefused):
            return found
    if all(isinstance(found, HungUp) for found in problems):
        return problems[0]
    return _away(kafka, "; ".join(dict.fromkeys(map(str, problems))))
