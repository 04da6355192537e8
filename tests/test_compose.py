"""The compose file fits itself, the settings and the commands; no Docker is needed to see that."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from typer.testing import CliRunner

from adloom.loop.commands.app import app
from adloom.loop.serving.monitoring import FILES
from adloom.loop.settings import load_settings
from tests.checkout import CHECKOUT, FOLDERS
from tests.deployment.nginx import running_gate
from tests.nginx_process import NoNginx

FOLDER = CHECKOUT / ".compose"
SECRETS = re.compile(r"\$\{(\w+):\?[^}]*\}")


def compose() -> dict[str, Any]:
    told: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())
    return told


def ours() -> dict[str, dict[str, Any]]:
    """Services that run a command of adloom."""
    found = compose()["services"]
    return {
        name: service
        for name, service in found.items()
        if service["image"] == "adloom" and "entrypoint" not in service
    }


def test_what_a_service_waits_for_and_mounts_is_there() -> None:
    told = compose()
    services, volumes = told["services"], told["volumes"]
    for name, service in services.items():
        waits = service.get("depends_on", [])
        assert set(waits) <= services.keys(), name
        for other, how in waits.items() if isinstance(waits, dict) else ():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in services[other], (name, other)
        for mounted in service.get("volumes", []):
            source = mounted.partition(":")[0]
            if source.startswith("."):
                assert (FOLDER / source).is_file(), (name, source)
            else:
                assert source in volumes, (name, source)


def test_every_secret_is_asked_for_and_none_has_a_default() -> None:
    text = (FOLDER / "compose.yaml").read_text()
    example = (FOLDER / ".env.example").read_text()
    asked = set(re.findall(r"^(\w+)=(.*)$", example, re.MULTILINE))
    assert {name for name, _ in asked} == set(re.findall(r"\$\{(\w+)", text))
    assert {value for _, value in asked} == {""}
    assert not re.findall(r"\$\{\w+(?!\w*:\?)[^:\w]", text)


@pytest.mark.parametrize("service", sorted(ours()))
def test_settings_and_command_of_a_service_are_known(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = ours()[service]
    for name, value in told["environment"].items():
        if name != "ADLOOM_CONFIG":
            monkeypatch.setenv(name, SECRETS.sub(r"a-secret-of-sixteen-\1", str(value)))
    settings = load_settings(FOLDER / "adloom.toml")
    assert settings.pictures.endpoint_url == "http://objects:9000"
    assert settings.database.password is not None
    done = CliRunner().invoke(app, [*told["command"], "--help"])
    assert done.exit_code == 0, done.output


def test_servers_are_asked_by_names_that_they_answer_to() -> None:
    services = compose()["services"]
    settings = load_settings(FOLDER / "adloom.toml")
    scraped = yaml.safe_load((FOLDER / "prometheus.yaml").read_text())
    hosts = {
        target
        for job in scraped["scrape_configs"]
        for static in job["static_configs"]
        for target in static["targets"]
    }
    gate = set(re.findall(r"server ([\w-]+:\d+)", (FOLDER / "gate.conf").read_text()))
    servers = {f"{name}:{settings.serve.port}" for name in services if name.startswith("server-")}
    consumers = {f"{n}:{settings.consume.port}" for n in services if n.startswith("consumer-")}
    assert (gate, hosts) == (servers, servers | consumers)
    assert {host.partition(":")[0] for host in servers} < set(settings.serve.hosts)


def test_health_is_asked_where_it_is_told() -> None:
    settings = load_settings(FOLDER / "adloom.toml")
    ports = {"serve": settings.serve.port, "consume": settings.consume.port}
    for name, service in ours().items():
        [command, *_] = service["command"]
        if command in ports:
            asked = f"http://127.0.0.1:{ports[command]}/readyz"
            assert asked in service["healthcheck"]["test"][-1], name


def test_the_image_is_made_of_what_is_installed_and_of_no_secret() -> None:
    lines = (FOLDER / "Dockerfile.dockerignore").read_text().splitlines()
    told = [line for line in lines if line and not line.startswith("#")]
    assert told[0] == "*"
    let_in = {line[1:] for line in told if line.startswith("!")}
    assert let_in == {".package", *FOLDERS, "pyproject.toml", "README.md", "LICENSE", "NOTICE"}
    assert all((CHECKOUT / name).exists() for name in let_in)


def test_the_gate_says_in_words_that_no_server_answers(tmp_path: Path) -> None:
    try:
        with running_gate(tmp_path, ["127.0.0.1:1", "127.0.0.1:2"]) as gate:
            for _ in range(2):
                answer = httpx.post(f"{gate}/v1/ads", json={})
                assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
                assert "come back" in answer.json()["detail"]
    except NoNginx as error:
        pytest.skip(str(error))


def test_dashboards_and_rules_are_those_that_are_exported() -> None:
    scraped = yaml.safe_load((FOLDER / "prometheus.yaml").read_text())
    assert [rule.rpartition("/")[2] for rule in scraped["rule_files"]] == [
        name for name in FILES if name.endswith(".yaml")
    ]
    assert "monitoring export --force --out /monitoring" in str(
        compose()["services"]["prepare"]["command"]
    )
