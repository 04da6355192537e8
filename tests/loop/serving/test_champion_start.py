"""What serves at a start when versions are broken or gone, or the registry cannot be asked."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from mlflow import MlflowClient
from safetensors.torch import load_file, save_file

from adloom.loop import home
from adloom.loop.learning.registry import CHALLENGER, CHAMPION, AdRegistry
from adloom.loop.learning.registry_errors import RegistryLost
from adloom.loop.serving.champion import Champion
from adloom.loop.serving.trial import Trial
from adloom.loop.settings import Settings
from adloom.loop.settings.learning import MlflowSettings
from tests.loop_parts import adapter_folder, hand_made_registry, register_by_hand, tiny_settings
from tests.tiny_model import tiny_generator

LORA = "adapter_model.safetensors"
BASE = 1


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return tiny_settings(tmp_path_factory.mktemp("start"))


@pytest.fixture(scope="module")
def everything(settings: Settings) -> AdRegistry:
    return hand_made_registry(settings)


@pytest.fixture
def registry(everything: AdRegistry, settings: Settings) -> Iterator[AdRegistry]:
    """Of this test: the base is champion, there are no former ones, nothing is remembered."""
    client, name = MlflowClient(everything.tracking_uri), settings.mlflow.model_name
    client.set_registered_model_alias(name, CHAMPION, str(BASE))
    client.set_registered_model_tag(name, "former_champions", "[]")
    shutil.rmtree(settings.home / "serving", ignore_errors=True)
    yield everything
    client.delete_registered_model_alias(name, CHALLENGER)


@pytest.fixture(scope="module")
def adapter(settings: Settings) -> Path:
    return adapter_folder(settings, "good")


def begun(settings: Settings, registry: AdRegistry, *beside: int | str) -> Champion:
    generator = tiny_generator()
    trial = Trial(generator, settings.generator)
    champion = Champion(generator, registry, trial, home.last_served(settings))
    champion.begin(beside)
    loaded = {champion.version(name).adapter for name in (CHAMPION, *beside)} - {None}
    assert set(generator.adapters) == loaded  # nothing is left of what failed
    return champion


def away(settings: Settings) -> AdRegistry:
    """The same home, and a registry at which nobody answers."""
    return AdRegistry(MlflowSettings(tracking_uri="http://127.0.0.1:9"), settings.home / "mlflow")


def of_another_base(folder: Path) -> None:
    weights = load_file(folder / LORA)
    wider = {key: torch.nn.functional.pad(w, (0, 1)) for key, w in weights.items()}
    save_file(wider, folder / LORA)


def truncated(folder: Path) -> None:
    (folder / LORA).write_bytes((folder / LORA).read_bytes()[:100])


def test_the_newest_former_champion_that_fits_stands_in_for_broken_ones(
    settings: Settings, registry: AdRegistry, adapter: Path
) -> None:
    good = register_by_hand(settings, registry, adapter)
    registry.promote(good)
    for breaking in (of_another_base, truncated):
        broken = register_by_hand(settings, registry, adapter, breaking)
        registry.promote(broken)
    champion = begun(settings, registry)
    assert champion.serving.version == good
    told = champion.problem
    assert told is not None
    assert f"version {broken} does not fit this base" in told
    champion.follow()
    assert champion.problem == told  # the log says it once


@pytest.mark.parametrize("what", ["alias", "version"])
def test_a_champion_that_was_deleted_is_told_and_the_base_serves(
    settings: Settings, registry: AdRegistry, adapter: Path, what: str
) -> None:
    client, name = MlflowClient(registry.tracking_uri), settings.mlflow.model_name
    if what == "version":
        number = register_by_hand(settings, registry, adapter)
        registry.promote(number)
        client.delete_model_version(name, str(number))
    else:
        client.delete_registered_model_alias(name, CHAMPION)
    champion = begun(settings, registry)
    assert champion.serving.version == BASE
    assert "adloom promote" in str(champion.problem)
    assert champion.followed == {CHAMPION: False}
    registry.promote(BASE)
    champion.follow()
    assert champion.problem is None


def test_what_this_home_served_last_serves_while_the_registry_is_away(
    settings: Settings, registry: AdRegistry, adapter: Path
) -> None:
    number = register_by_hand(settings, registry, adapter)
    registry.promote(number)
    assert begun(settings, registry).problem is None
    champion = begun(settings, away(settings))
    assert champion.serving.version == number
    assert "is it running?" in str(champion.problem)
    champion._registry = registry
    assert not champion.follow()
    assert champion.problem is None
    elsewhere = MlflowSettings(tracking_uri="http://127.0.0.1:9")
    assert home.last_served(settings.model_copy(update={"mlflow": elsewhere})).read() == {}


def test_a_registry_that_was_lost_is_not_made_anew_without_a_word(
    settings: Settings, registry: AdRegistry, adapter: Path
) -> None:
    number = register_by_hand(settings, registry, adapter)
    registry.promote(number)
    begun(settings, registry)
    database = settings.home / "mlflow" / "mlflow.db"
    away = database.rename(database.with_suffix(".away"))
    found = home.registry_to_serve_from(settings)
    assert not database.exists()
    champion = begun(settings, found)
    assert champion.serving.version == number
    assert f"version {number} was served from it: restore" in str(champion.problem)
    for ask in (found.versions, found.champion, found.rollback, lambda: found.promote(1)):
        with pytest.raises(RegistryLost, match=r"last_served\.json to begin anew"):
            ask()
    with pytest.raises(RegistryLost):
        home.registry_with_base(settings)
    away.rename(database)
    assert not champion.follow()
    assert champion.problem is None


def test_without_the_registry_a_damaged_adapter_is_not_served(
    settings: Settings, registry: AdRegistry, adapter: Path
) -> None:
    number = register_by_hand(settings, registry, adapter)
    registry.promote(number)
    begun(settings, registry)
    for kept in (settings.home / "mlflow" / "adapters").glob(f"{number}-*/{LORA}"):
        truncated(kept.parent)
    champion = begun(settings, away(settings))
    assert champion.serving.version == BASE
    assert begun(settings, registry).serving.version == number  # fetched again


@pytest.mark.parametrize("content", [b"", b"{", b'{"registry": "x", "served": [1]}', b"\xff" * 99])
def test_a_note_that_cannot_be_read_counts_for_nothing(
    settings: Settings, registry: AdRegistry, content: bytes
) -> None:
    begun(settings, registry)
    [note] = (settings.home / "serving").iterdir()
    note.write_bytes(content)
    assert home.last_served(settings).read() == {}


def test_arms_are_remembered_and_the_champion_stands_in_for_broken_ones(
    settings: Settings, registry: AdRegistry, adapter: Path
) -> None:
    fixed = register_by_hand(settings, registry, adapter)
    registry.set_challenger(register_by_hand(settings, registry, adapter, truncated))
    champion = begun(settings, registry, fixed, CHALLENGER)
    assert champion.served == {CHAMPION: BASE, fixed: fixed, CHALLENGER: BASE}
    assert champion.followed == {CHAMPION: True, fixed: True, CHALLENGER: False}
    MlflowClient(registry.tracking_uri).delete_model_version(settings.mlflow.model_name, str(fixed))
    champion.follow()
    assert champion.served[fixed] == fixed
    assert f"version {fixed} is not followed" in str(champion.problem)
    assert begun(settings, registry, fixed, CHALLENGER).served[fixed] == fixed


def test_a_challenger_that_was_looked_at_leaves_when_it_is_none_any_more(
    settings: Settings, registry: AdRegistry, adapter: Path
) -> None:
    champion = begun(settings, registry)
    challenger = register_by_hand(settings, registry, adapter)
    registry.set_challenger(challenger)
    assert champion.load(CHALLENGER)
    registry.promote(challenger)
    assert champion.follow()
    assert champion.served == {CHAMPION: challenger}
    assert champion.problem is None


def test_a_broken_challenger_is_left_out_and_told(
    settings: Settings, registry: AdRegistry, adapter: Path
) -> None:
    champion = begun(settings, registry)
    registry.set_challenger(register_by_hand(settings, registry, adapter, truncated))
    assert not champion.load(CHALLENGER)
    assert champion.served == {CHAMPION: BASE}
    assert "@challenger is not followed" in str(champion.problem)
    registry.set_challenger(register_by_hand(settings, registry, adapter))
    champion.follow()
    assert champion.problem is None
