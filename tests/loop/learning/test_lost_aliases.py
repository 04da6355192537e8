"""A registry that somebody tidied up: what is lost is told, and nothing that mends needs it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy
from mlflow import MlflowClient

from adloom.loop.learning.registry import CHALLENGER, CHAMPION, AdRegistry, UnknownVersion
from adloom.loop.settings.learning import MlflowSettings
from tests.own_tracking import with_tables


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_tables(tmp_path_factory.mktemp("lost") / "mlflow")


@pytest.fixture
def name() -> str:
    return f"ads-{uuid.uuid4().hex}"


@pytest.fixture
def registry(folder: Path, name: str) -> AdRegistry:
    """A base and two adapters; the second adapter is champion, and the first was before it."""
    registry = AdRegistry(MlflowSettings(model_name=name), folder)
    registry.track()
    client(registry).create_registered_model(name)
    for kind in ("none", "lora", "lora"):
        client(registry).create_model_version(name, "file:///nowhere", tags={"adapter": kind})
    for number in (1, 2, 3):
        registry.promote(number)
    return registry


def client(registry: AdRegistry) -> MlflowClient:
    return MlflowClient(registry.tracking_uri)


def delete_version(registry: AdRegistry, name: str) -> None:
    client(registry).delete_model_version(name, "3")


def delete_alias(registry: AdRegistry, name: str) -> None:
    client(registry).delete_registered_model_alias(name, CHAMPION)


def leave_it_dangling(registry: AdRegistry, name: str) -> None:
    """As stores do that keep the alias of a version that is deleted."""
    delete_version(registry, name)
    engine = sqlalchemy.create_engine(registry.tracking_uri)
    with engine.begin() as connection:
        columns = "(name, alias, version, workspace)"
        insert = f"INSERT INTO registered_model_aliases {columns} VALUES (:n, :a, 3, 'default')"
        connection.execute(sqlalchemy.text(insert), {"n": name, "a": CHAMPION})


@pytest.mark.parametrize("lose", [delete_version, delete_alias, leave_it_dangling])
def test_without_a_champion_all_else_works(
    registry: AdRegistry, name: str, lose: Callable[[AdRegistry, str], None]
) -> None:
    lose(registry, name)
    assert registry.by_alias(CHAMPION) is None
    assert all(CHAMPION not in version.aliases for version in registry.versions())
    with pytest.raises(UnknownVersion, match=r"adloom promote N \(registered: 1, 2"):
        registry.champion()
    registry.register_base({})
    assert registry.by_alias(CHAMPION) is None  # which of them serves is the user's to say
    registry.set_challenger(2)
    assert registry.rollback().number == 2
    assert registry.promote(1).aliases == (CHAMPION,)
    assert registry.rollback().number == 2


@pytest.mark.parametrize("lose", [delete_version, delete_alias, leave_it_dangling])
def test_any_version_can_be_promoted_without_a_champion(
    registry: AdRegistry, name: str, lose: Callable[[AdRegistry, str], None]
) -> None:
    registry.set_challenger(2)
    lose(registry, name)
    assert registry.promote(2).aliases == (CHAMPION,)
    assert registry.by_alias(CHALLENGER) is None


@pytest.mark.parametrize("spoilt", ["not json", "{}", "7", '["2", null]', "[" * 5_000, "[1e999]"])
def test_a_spoilt_list_of_former_champions_is_told_and_begun_anew(
    registry: AdRegistry, name: str, spoilt: str
) -> None:
    client(registry).set_registered_model_tag(name, "former_champions", spoilt)
    assert len(registry.versions()) == 3
    with pytest.raises(UnknownVersion, match=r"former_champions .* use adloom promote N"):
        registry.rollback()
    registry.promote(1)
    assert registry.rollback().number == 3


def test_a_champion_alone_is_found_when_the_others_are_deleted(
    registry: AdRegistry, name: str
) -> None:
    for number in ("1", "2"):
        client(registry).delete_model_version(name, number)
    assert registry.champion().number == 3
    with pytest.raises(UnknownVersion, match=r"no earlier champion .*registered: 3"):
        registry.rollback()


def test_a_base_that_is_alone_is_champion_again_at_the_next_start(
    registry: AdRegistry, name: str
) -> None:
    for number in ("2", "3"):
        client(registry).delete_model_version(name, number)
    assert registry.by_alias(CHAMPION) is None
    registry.register_base({})
    assert registry.champion().number == 1


def test_reading_makes_nothing(tmp_path: Path) -> None:
    registry = AdRegistry(MlflowSettings(), tmp_path / "home" / "mlflow")
    assert registry.versions() == []
    assert registry.by_alias(CHAMPION) is None
    for ask in (registry.champion, registry.rollback, lambda: registry.promote(1)):
        with pytest.raises(UnknownVersion):
            ask()
    assert list(tmp_path.iterdir()) == []


def test_reading_another_model_makes_no_model(registry: AdRegistry, folder: Path) -> None:
    other = AdRegistry(MlflowSettings(model_name="never-made", experiment="never-made"), folder)
    assert other.versions() == []
    assert client(registry).get_experiment_by_name("never-made") is None
    names = [model.name for model in client(registry).search_registered_models()]
    assert "never-made" not in names
