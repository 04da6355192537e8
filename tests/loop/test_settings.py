"""Settings come from the file and the environment; a wrong one names its key."""

from __future__ import annotations

from pathlib import Path

import pytest

from adloom.loop.settings import SettingsError, load_settings


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_defaults_work_without_a_file() -> None:
    settings = load_settings()
    assert settings.kafka.bootstrap_servers is None
    assert settings.serve.host == "127.0.0.1"


def test_the_environment_wins_over_the_file(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (elsewhere / "adloom.toml").write_text('[kafka]\nbootstrap_servers = "file:9092"\n')
    assert load_settings().kafka.bootstrap_servers == "file:9092"
    monkeypatch.setenv("ADLOOM_KAFKA__BOOTSTRAP_SERVERS", "env:9092")
    assert load_settings().kafka.bootstrap_servers == "env:9092"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("hom = 'x'", "hom: no such setting"),
        ("[kafka]\nbootstrap = 'x'", "kafka.bootstrap: no such setting"),
        ("[serve]\nport = 70000", "serve.port"),
        ("[generator]\nguidance = 'strong'", "generator.guidance"),
        ("[features]\nonline = 'redis'", "features"),
        ("[catalog]\nhosts = ['*']", "catalog.hosts.0: not a host, such as cdn.shop.example"),
        ("[catalog]\nhosts = ['https://shop.example/']", "catalog.hosts.0: not a host"),
        ("[mlflow]\ntracking_uri = 'mlruns'", "mlflow.tracking_uri: not the address of an MLflow"),
        ("[mlflow]\ntracking_uri = 'ftp://mlflow'", "mlflow.tracking_uri: not the address"),
        ("[mlflow]\ntracking_uri = 'http://[mlflow'", "mlflow.tracking_uri"),
        ("[mlflow]\ntracking_uri = 'http://mlflow:99999'", "mlflow.tracking_uri"),
        ("[mlflow]\ntracking_uri = ''", "mlflow.tracking_uri: not the address"),
        ("[serve", "not valid TOML"),
    ],
)
def test_a_wrong_file_is_refused_by_key(elsewhere: Path, text: str, key: str) -> None:
    (elsewhere / "adloom.toml").write_text(text)
    with pytest.raises(SettingsError, match=key):
        load_settings()


def test_a_misspelt_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADLOOM_KAFFKA__BOOTSTRAP_SERVERS", "x:1")
    with pytest.raises(SettingsError, match="ADLOOM_KAFFKA__BOOTSTRAP_SERVERS: no such setting"):
        load_settings()


def test_a_list_that_is_no_json_is_told_with_what_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADLOOM_SERVE__API_KEYS", "hush-hush-hush-hush")
    with pytest.raises(SettingsError, match=r"serve|SERVE") as told:
        load_settings()
    assert "hush" not in str(told.value)
    assert "\n" not in str(told.value)


def test_a_named_file_must_exist(elsewhere: Path) -> None:
    with pytest.raises(SettingsError, match="no such settings file"):
        load_settings(elsewhere / "other.toml")


def test_a_secret_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADLOOM_KAFKA__SASL_PASSWORD", "hunter2")
    assert "hunter2" not in repr(load_settings())


@pytest.mark.parametrize(
    "address", ["redis://:hush@cache:6379/0", "cache", "cache:6379/0", "cache:6379,hush", "db=1"]
)
def test_an_address_of_redis_in_another_form_than_feasts_is_refused(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADLOOM_FEATURES__REDIS_URL", address)
    with pytest.raises(SettingsError, match=r"features\.redis_url: write it as Feast does") as told:
        load_settings()
    assert "hush" not in str(told.value)


def test_feasts_forms_of_an_address_of_redis_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    for address in ("cache:6379", "one:1,two:2,ssl=true,password=a=b", "10.0.0.1:6379,db=3"):
        monkeypatch.setenv("ADLOOM_FEATURES__REDIS_URL", address)
        load_settings()
