"""Files with secrets in them: are they there, and for their own user alone."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from adloom.loop.doctor.finding import Check, Finding, judged
from adloom.loop.settings import Settings

PART = "secrets"
_OTHERS = 0o077
_SECRET = ("password", "_keys", "online_config")
_PUBLIC = ("publishable_keys",)


def secrets_check(settings: Settings) -> Check:
    """Of the settings file, and of the keys that it names."""
    file = Path(str(type(settings).model_config.get("toml_file")))
    return Check(PART, str(file), "the settings file", partial(_look, settings, file))


def _look(settings: Settings, file: Path) -> Iterator[Finding]:
    wrong, notes, looked_at = list[str](), list[str](), list[str]()
    if file.is_file():
        told = list(_secrets_in(tomllib.loads(file.read_text("utf-8"))))
        looked_at.append(f"{file} with {len(told)} secrets")
        for name in told:
            variable = f"ADLOOM_{name.upper().replace('.', '__')}"
            notes.append(f"{name} is in {file}: keep it in the environment, {variable}")
        if told:
            notes += _open_to_others(file)
    key = settings.kafka.ssl_keyfile
    if key is not None:
        looked_at.append(str(key))
        if key.is_file():
            notes += _open_to_others(key)
        else:
            wrong.append(f"kafka.ssl_keyfile: there is no file {key}")
    keys = len(settings.serve.known_keys())
    asked = settings.serve.key_needed
    looked_at.append(f"{keys} API keys" if asked else "no API keys, so on loopback alone")
    yield judged(PART, ", ".join(looked_at), wrong, notes)


def _secrets_in(told: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Names of settings that are secret and have a value, such as kafka.sasl_password."""
    for name, value in told.items():
        if isinstance(value, Mapping) and not name.endswith(_SECRET):
            yield from _secrets_in(value, f"{prefix}{name}.")
        elif name in _PUBLIC:
            continue
        elif name.endswith(_SECRET) or (name == "redis_url" and "password=" in str(value)):
            yield f"{prefix}{name}"


def _open_to_others(file: Path) -> list[str]:
    if not file.stat().st_mode & _OTHERS:
        return []
    return [f"other users of this machine can read {file}: chmod 600 {file}"]
