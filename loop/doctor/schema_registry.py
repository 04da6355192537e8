"""The schema registry, where payloads name their schema in one."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import requests

from adloom.loop.doctor.finding import Check, Finding
from adloom.stream.settings import RegistrySettings

PART = "schema registry"
_SECONDS = (3.0, 4.0)
_REFUSED = (401, 403)


def registry_check(settings: RegistrySettings) -> Check:
    """Of `[kafka.registry] url`."""
    where = str(settings.url).rstrip("/")
    return Check(PART, where, "kafka.registry.url", partial(_look, settings, where))


def _look(settings: RegistrySettings, where: str) -> Iterator[Finding]:
    login = None
    if settings.username is not None and settings.password is not None:
        login = settings.username, settings.password.get_secret_value()
    trust = True if settings.ssl_cafile is None else str(settings.ssl_cafile)
    try:
        answer = requests.get(
            f"{where}/schemas/types",
            auth=login,
            timeout=_SECONDS,
            verify=trust,
            allow_redirects=False,
        )
        kinds = answer.json() if answer.ok else None
    except requests.exceptions.SSLError as error:
        yield _wrong(where, f"no TLS connection ({error}): see kafka.registry.ssl_cafile")
        return
    except (requests.RequestException, OSError, ValueError) as error:
        yield _wrong(where, f"it cannot be asked ({type(error).__name__}): see kafka.registry.url")
        return
    if answer.status_code in _REFUSED:
        yield _wrong(
            where,
            f"the login is refused ({answer.status_code}): see "
            "kafka.registry.username and ADLOOM_KAFKA__REGISTRY__PASSWORD",
        )
    elif not isinstance(kinds, list):
        yield _wrong(
            where, f"it is no schema registry ({answer.status_code}): see kafka.registry.url"
        )
    else:
        yield Finding(PART, f"{where}: {', '.join(map(str, kinds))}")


def _wrong(where: str, told: str) -> Finding:
    return Finding(PART, where, "wrong", told)
