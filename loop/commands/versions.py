"""`adloom versions`: the registered versions; what is known of one, and how two differ."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from adloom.loop.commands.errors import errors_told, fail, problems
from adloom.loop.commands.printing import AsJson, print_table
from adloom.loop.settings import Settings

if TYPE_CHECKING:
    from adloom.loop.learning.cards.details import VersionDetails
    from adloom.loop.learning.registry import AdRegistry
    from adloom.models.adapter_distance import ModuleDistance

app = typer.Typer(
    invoke_without_command=True,
    help="List the registered versions with their aliases and gate figures.",
)
console = Console()

Name = Annotated[str, typer.Argument(metavar="N|@ALIAS", help="A version's number, or @alias.")]


@app.callback()
def versions(context: typer.Context, as_json: AsJson = False) -> None:
    """List the registered versions with their aliases and gate figures."""
    if context.invoked_subcommand is not None:
        return
    from adloom.loop import home
    from adloom.loop.learning.emptied import is_emptied
    from adloom.loop.learning.listing import listed
    from adloom.loop.learning.registry import CHAMPION

    registry = home.open_registry(context.obj)
    found = listed(registry.tracking_uri, context.obj.mlflow.model_name)
    if found is None:
        found = registry.versions()
    if as_json:
        rows = [
            {
                "version": v.number,
                "aliases": v.aliases,
                "created": v.created.isoformat(),
                "description": v.description,
                **v.tags,
            }
            for v in found
        ]
        print(json.dumps(rows, indent=2))
        return
    heads = ("Version", "Aliases", "From", "Gate", "Held-out loss", "Registered", "Adapter")
    table = Table(*heads, box=None)
    for v in found:
        before, after = (v.tags.get(f"heldout_loss_{when}") for when in ("before", "after"))
        table.add_row(
            str(v.number),
            " ".join(f"@{alias}" for alias in v.aliases),
            escape(v.tags.get("parent", "")),  # whoever may write in MLflow may write tags
            escape(v.tags.get("gate", "")),
            escape(f"{before} → {after}") if before else "",
            f"{v.created:%Y-%m-%d %H:%M}",
            "none, the base" if v.is_base else "removed" if is_emptied(v) else "kept",
        )
    print_table(console, table)
    if not found:
        problems.print(
            "No version is registered yet: adloom serve and adloom train-round register the base",
            soft_wrap=True,
        )
    elif not any(CHAMPION in v.aliases for v in found):
        problems.print(
            "No version is @champion: make one champion with adloom promote VERSION",
            soft_wrap=True,
        )


@app.command()
def show(context: typer.Context, version: Name = "@champion", as_json: AsJson = False) -> None:
    """Tell what is known of a version: clicks, judgement, settings, files."""
    with _registry(context.obj) as registry:
        from adloom.loop.commands.version_pages import print_version
        from adloom.loop.learning.cards import details

        told = details.details(registry, _named(version))
    if as_json:
        print(json.dumps(details.as_json(told), indent=2))
        return
    print_version(console, told, context.obj.mlflow.model_name, registry.tracking_uri)


@app.command()
def diff(
    context: typer.Context,
    a: Name,
    b: Name,
    weights: Annotated[
        bool, typer.Option("--weights", help="Fetch adapters that are not here, to compare them.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Tell how version B differs from A: settings, figures, clicks, adapters."""
    with _registry(context.obj) as registry:
        from adloom.loop.commands.version_pages import print_difference
        from adloom.loop.learning.cards import details, difference

        one, other = (details.details(registry, _named(name)) for name in (a, b))
        modules = _distances(registry, one, other, fetch=weights)
    told = difference.VersionDifference(one, other, modules)
    if as_json:
        print(json.dumps(difference.as_json(told), indent=2))
        return
    print_difference(console, told)


@contextmanager
def _registry(settings: Settings) -> Iterator[AdRegistry]:
    from adloom.loop import home
    from adloom.loop.learning.registry import UnknownVersion
    from adloom.models.adapter_files import UnfitAdapter

    with errors_told(UnknownVersion, UnfitAdapter):
        yield home.open_registry(settings)


def _named(text: str) -> int | str:
    """A number, or an alias without its sign."""
    if text.isascii() and text.isdigit() and len(text) < 10:
        return int(text)
    if not text.startswith("@") or len(text) == 1:
        fail(f"{text}: name a version by its number, or by an alias as @champion")
    return text[1:]


def _distances(
    registry: AdRegistry, one: VersionDetails, other: VersionDetails, *, fetch: bool
) -> tuple[ModuleDistance, ...] | None:
    """None where an adapter is not here and is not to be fetched."""
    from adloom.models.adapter_distance import adapter_distances

    versions = one.version, other.version
    if fetch:
        folders = [registry.adapter(version) for version in versions]
    else:
        folders = [
            None if version.is_base else registry.adapters.kept(version) for version in versions
        ]
        here = (
            version.is_base or folder is not None
            for version, folder in zip(versions, folders, strict=True)
        )
        if not all(here):
            return None
    return tuple(adapter_distances(*folders))
