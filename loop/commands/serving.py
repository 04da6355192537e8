"""`adloom serve`."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from adloom.loop.commands.errors import errors_told, fail_if, problems
from adloom.loop.commands.starting import Starting
from adloom.loop.settings import Settings
from adloom.models.folders import no_base

if TYPE_CHECKING:
    from socket import socket

    from fastapi import FastAPI

app = typer.Typer()

_SWITCH_SECONDS = 0.001
"""Of Python's 5 ms a request that goes from thread to thread would wait several times."""


class _Terminated(BaseException):
    """SIGTERM came: parts are closed on the way out."""


@app.command()
def serve(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to bind.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65_535, help="Port to bind; 0 takes a free one.")
    ] = None,
    ray: Annotated[
        bool, typer.Option("--ray", help="As many replicas as the load asks for; set in [ray].")
    ] = False,
) -> None:
    """Serve ads over HTTP; the page /docs shows how to ask for one."""
    from adloom.loop.serving.edge.open_address import OpenToAnyone, refuse_open_address

    settings: Settings = context.obj
    host = host or settings.serve.host
    port = settings.serve.port if port is None else port
    # What may be wrong is told before anything large is loaded.
    fail_if(no_base(settings.generator.path))
    with errors_told(OpenToAnyone):
        refuse_open_address(settings.serve, host)
    from adloom.loop.serving.edge.listening import CannotListen, bind, refuse_too_many_files

    with errors_told(CannotListen):
        refuse_too_many_files(settings.serve.max_connections)
        sockets = bind(host, port)
    if ray:
        for one in sockets:
            one.close()  # Ray binds it in another process
        _serve_replicas(settings, host, port)
        return
    with _ended_by_signals(), ExitStack() as parts:
        _serve_here(settings, host, sockets, parts)


def _serve_here(settings: Settings, host: str, sockets: list[socket], parts: ExitStack) -> None:
    """Start the parts and answer until a signal comes."""
    from adloom.loop.serving.edge.bounds import Bounds
    from adloom.loop.serving.edge.listening import http_server
    from adloom.loop.serving.edge.meanwhile import answering_meanwhile
    from adloom.loop.serving.http.logs import log_as_json

    starting = Starting(problems)
    with answering_meanwhile(sockets, lambda: starting.doing):
        app = _started(settings, parts, starting)
    shown = f"[{host}]" if ":" in host else host
    starting.tell(f"serving at http://{shown}:{sockets[0].getsockname()[1]} (Ctrl-C ends it)")
    log_as_json()
    sys.setswitchinterval(_SWITCH_SECONDS)
    bounds = Bounds(connections=settings.serve.max_connections)
    with contextlib.suppress(KeyboardInterrupt):  # it was answered to the end
        http_server(app, bounds).run(sockets)


def _started(settings: Settings, parts: ExitStack, starting: Starting) -> FastAPI:
    """The application, its parts running."""
    starting.tell("loading Python packages")
    import torch

    from adloom.loop.experiments.running import UnservableArm
    from adloom.loop.learning.registry import UnknownVersion
    from adloom.loop.serving.app import create_app
    from adloom.loop.serving.server import AdServer

    threads = torch.get_num_threads()
    # Before anything computes in this thread, which is not the one that draws: see AdServer.
    torch.set_num_threads(1)
    with errors_told(UnservableArm, UnknownVersion):
        server = AdServer(settings, parts, threads, starting.tell)
    return create_app(settings, server=server)


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGINT and SIGTERM end the block wherever it is, also while parts start."""

    def terminate(*_: object) -> NoReturn:
        raise _Terminated

    signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    except KeyboardInterrupt:
        problems.print("The start was interrupted.", soft_wrap=True)
        raise typer.Exit(130) from None
    except _Terminated:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.raise_signal(signal.SIGTERM)  # who waits for this process learns how it ended
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _serve_replicas(settings: Settings, host: str, port: int) -> None:
    from adloom.loop import home
    from adloom.loop.experiments.running import UnservableArm, versions_of_arms
    from adloom.loop.learning.ray_cluster import CannotScaleOut
    from adloom.loop.serving.replicas.scale_out import running_replicas
    from adloom.stream.broker import local_broker_binary

    stop = threading.Event()
    with errors_told(UnservableArm):
        # Told here in one line; a replica that does not start has only a traceback.
        if settings.kafka.bootstrap_servers is None:
            local_broker_binary()
        registry = home.registry_to_serve_from(settings)
        remembered = home.last_served(settings).read()
        versions_of_arms(settings.experiments, registry, datetime.now(UTC), remembered)
    with errors_told(CannotScaleOut), running_replicas(settings, host, port):
        # Set only now: Ray has its own until all is started.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        typer.echo(f"Replicas answer at http://{host}:{port}; Ctrl-C ends them.")
        stop.wait()
