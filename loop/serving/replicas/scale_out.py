"""`adloom serve --ray`: many replicas of the ad server behind one address, on Ray Serve.

They share what one server has for itself: the broker, the stores under ``home`` (or Redis) and the
registry. Each follows the champion on its own; a shopper's arm is a hash, so it is the same at
each of them.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from adloom.loop import home
from adloom.loop.learning.ray_cluster import CannotScaleOut, installed_ray, join_ray
from adloom.loop.serving.own_broker import own_broker
from adloom.loop.settings import Settings
from adloom.loop.settings.anywhere import anywhere
from adloom.loop.settings.serving import RaySettings

_APPLICATION = "adloom"


@contextmanager
def running_replicas(settings: Settings, host: str, port: int) -> Iterator[None]:
    """Replicas that answer at ``host:port`` while the block runs.

    Without a configured broker it starts the local one, for all replicas, and applies their
    events. A cluster is asked by each replica, which draws ads without it too.

    Raises:
        CannotScaleOut: Ray is not installed or has no room, or a cluster has no broker to share.
        BrokerUnavailable: the local broker is not installed or does not start.
    """
    ray = installed_ray("serve")
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    if settings.ray.address is not None and settings.kafka.bootstrap_servers is None:
        raise CannotScaleOut(
            "kafka.bootstrap_servers: replicas on the cluster at ray.address need a broker that "
            "all of them reach (ADLOOM_KAFKA__BOOTSTRAP_SERVERS=host:port)"
        )
    with ExitStack() as parts:
        join_ray(ray, settings.ray)
        parts.callback(ray.shutdown)
        most = _most_replicas(settings.ray, ray.cluster_resources())
        shared = parts.enter_context(_shared(settings))
        _deploy(shared, most, host, port, parts)
        yield


def _most_replicas(settings: RaySettings, resources: dict[str, float]) -> int:
    wanted = {"CPU": settings.cpus, "GPU": settings.gpus}
    room = min(
        math.floor(resources.get(kind, 0.0) / share) for kind, share in wanted.items() if share
    )
    if settings.address is None and room < settings.min_replicas:
        has = ", ".join(f"{resources.get(kind, 0):g} {kind}s" for kind in wanted)
        raise CannotScaleOut(
            f"ray.min_replicas: {settings.min_replicas} replicas of {settings.cpus:g} CPUs and "
            f"{settings.gpus:g} GPUs do not fit here ({has}); see ray.cpus and ray.gpus"
        )
    return settings.max_replicas or max(room, settings.min_replicas)


def _deploy(settings: Settings, most: int, host: str, port: int, parts: ExitStack) -> None:
    from ray import serve

    from adloom.loop.serving.replicas.replica import ad_replicas

    alone = settings.ray.address is None
    try:
        serve.start(
            proxy_location="HeadOnly" if alone else "EveryNode",
            http_options={"host": host, "port": port},
        )
        # Nothing else of Serve ends: on a cluster it may be somebody's.
        parts.callback(serve.delete, _APPLICATION)
        serve.run(ad_replicas(settings, most), name=_APPLICATION)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]  # before it comes Ray's traceback
        raise CannotScaleOut(
            f"the replicas did not start ({reason}); adloom -v serve --ray shows their logs"
        ) from error


@contextmanager
def _shared(settings: Settings) -> Iterator[Settings]:
    """Settings for every replica: the stores exist, the broker runs and has its consumer."""
    with ExitStack() as parts:
        home.open_creatives(settings).close()
        home.registry_to_serve_from(settings)
        kafka = settings.kafka
        if kafka.bootstrap_servers is None:
            kafka, _ = parts.enter_context(own_broker(settings))
        else:
            home.open_features(settings).close()
        yield anywhere(settings.model_copy(update={"kafka": kafka}))
