"""Commands of the stream: consume, look after dead letters."""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
from collections import Counter
from contextlib import ExitStack
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from adloom.loop.commands.broker import broker_of
from adloom.loop.commands.errors import errors_told
from adloom.loop.commands.printing import print_table
from adloom.loop.settings import Settings
from adloom.stream.events import Reason

app = typer.Typer()
_dead_letters = typer.Typer(help="Payloads that are no events.", no_args_is_help=True)
app.add_typer(_dead_letters, name="deadletter")
_console = Console()

_SECONDS_TO_STOP = 9.0
_SHOWN_CHARACTERS = 60

Reasons = Annotated[
    list[Reason] | None, typer.Option("--reason", help="Only these; can be given again.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print as JSON.")]


@app.command()
def consume(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address of the metrics.")] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65_535, help="Serve /metrics, /healthz and /readyz here."),
    ] = None,
) -> None:
    """Apply events from Kafka to the features, as one member of the consumer group."""
    settings: Settings = context.obj
    kafka = broker_of(settings.kafka, "consume")

    from adloom.loop import home
    from adloom.stream.consumer import EventConsumer
    from adloom.stream.monitor import monitor
    from adloom.stream.needs import to_consume_events
    from adloom.stream.settled_memory import settled_memory
    from adloom.stream.topics import create_topics
    from adloom.stream.tracing import start_tracing

    port = settings.consume.port if port is None else port
    logging.getLogger("adloom.stream").setLevel(logging.INFO)
    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # the consumer says what is wrong
    stop = _stop_at_signal()
    with errors_told(OSError), ExitStack() as parts:
        features = parts.enter_context(home.open_features(settings))
        features.log.look()  # what is set wrong is told before anything is made
        forgotten = parts.enter_context(home.who_is_forgotten(settings, "adloom consume"))
        # On a fresh cluster it may be the first to come, before who sends.
        if made := create_topics(kafka, to_consume_events(kafka)):
            told = f"Made the topics that were missing: {', '.join(made)}."
            _console.print(told, markup=False, soft_wrap=True)
        consumer = EventConsumer(kafka, features, settings.events, forgotten)
        parts.callback(_tell_counts, consumer)
        parts.callback(consumer.close)
        start_tracing("adloom-consume")
        if port is not None:
            address = monitor(host or settings.consume.host, port, lambda: consumer.state)
            _console.print(
                f"Metrics are at {parts.enter_context(address)}/metrics.", soft_wrap=True
            )
        _console.print(f"Consuming from {kafka.bootstrap_servers}; Ctrl-C ends it.", soft_wrap=True)
        parts.enter_context(settled_memory())
        consumer.run(stop)


def _stop_at_signal() -> threading.Event:
    """An event that SIGTERM and SIGINT set.

    Where the broker or the store does not answer, the process ends after a while nevertheless,
    as in a crash: what is not committed comes again to another member.
    """
    stop = threading.Event()

    def handle(*_: Any) -> None:
        if not stop.is_set():
            late = threading.Timer(_SECONDS_TO_STOP, os._exit, [1])
            late.daemon = True
            late.start()
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle)
    return stop


def _tell_counts(consumer: Any) -> None:
    counts = consumer.counts
    dead, dropped = sum(counts.dead_letters.values()), sum(counts.dropped.values())
    rules = ", ".join(f"{rule} {number:,}" for rule, number in counts.dropped.items())
    _console.print(
        f"{counts.consumed:,} events applied, {dead:,} dead letters"
        + (f", {dropped:,} left out ({escape(rules)})." if dropped else "."),
        soft_wrap=True,
    )


@_dead_letters.command("list")
def list_letters(
    context: typer.Context,
    reason: Reasons = None,
    limit: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Show what waits in the dead letter topic, and why."""
    kafka = broker_of(context.obj.kafka, "deadletter")

    from adloom.stream.burial import waiting_letters

    letters = waiting_letters(kafka, reason or list(Reason))
    if as_json:
        print(json.dumps([json.loads(letter.encode()) for letter in letters[-limit:]], indent=2))
        return
    table = Table("Reason", "From", "What is wrong", "Payload", box=None)
    for letter in letters[-limit:]:
        start = letter.payload[:_SHOWN_CHARACTERS].encode("unicode_escape").decode()
        table.add_row(letter.reason, letter.key.decode(), Text(letter.detail), Text(start))
    print_table(_console, table)
    _console.print(f"{_counted(letters)} waiting.", highlight=False, soft_wrap=True)


@_dead_letters.command("replay")
def replay_letters(context: typer.Context, reason: Reasons = None, as_json: AsJson = False) -> None:
    """Send letters that are events by now to their topics; the others stay."""
    settings: Settings = context.obj
    kafka = broker_of(settings.kafka, "deadletter")

    from adloom.stream import burial
    from adloom.stream.producer import DeliveryFailed

    with errors_told(DeliveryFailed):
        replayed = burial.replay_letters(kafka, reason or list(Reason), settings.events)
    if as_json:
        told: dict[str, Any] = {"replayed": len(replayed.sent)}
        told["refused"] = Counter(str(letter.reason) for letter in replayed.refused)
        if replayed.dropped:
            told["dropped"] = len(replayed.dropped)
        print(json.dumps(told, indent=2))
        return
    _console.print(f"{len(replayed.sent)} sent to their topics.", highlight=False, soft_wrap=True)
    if replayed.dropped:
        _console.print(
            f"{len(replayed.dropped)} left out by [events] drop.", markup=False, soft_wrap=True
        )
    if replayed.refused:
        _console.print(f"{_counted(replayed.refused)} stay.", highlight=False, soft_wrap=True)


def _counted(letters: list[Any]) -> str:
    reasons = Counter(str(letter.reason) for letter in letters)
    each = ", ".join(f"{number} {reason}" for reason, number in reasons.most_common())
    noun = "dead letter" if len(letters) == 1 else "dead letters"
    return f"{len(letters)} {noun}" + (f" ({each})" if each else "")
