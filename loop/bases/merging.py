"""An adapter folded into its base: a base of its own, from which learning goes on."""

from __future__ import annotations

from pathlib import Path

from adloom.loop.learning.lineage import refuse_other_base
from adloom.loop.learning.registry import AdRegistry
from adloom.loop.settings.out_folder import taken
from adloom.loop.settings.whole_folder import too_full, whole_folder
from adloom.models.ad_generator import AdGenerator
from adloom.models.adapter_files import UnfitAdapter
from adloom.models.generator import DEMO_MODEL, AdModel
from adloom.models.training.base.finish import bytes_on_disk, save_base, stored_dtype
from adloom.models.trends import Trends

_NAME = "merged"


class CannotMerge(ValueError):
    """An adapter that a base cannot hold, or no place to write it to; the message says why."""


def merge_into_base(
    base: Path | None,
    adapter: Path,
    out: Path,
    *,
    called: str,
    of: AdRegistry | None = None,
    leave_trends: bool = False,
) -> None:
    """Write ``base`` with ``adapter`` folded in to ``out``, whole or not at all.

    Weights have the dtype that they have in ``base`` on disk.

    Args:
        base: None is the bundled one.
        adapter: folder of the adapter.
        out: a folder that is not there yet, or empty.
        called: what messages call the adapter, such as "version 3".
        of: the registry that the adapter is of; None for one of somebody's own.
        leave_trends: what the adapter knows of trends is no part of a base and is left out.

    Raises:
        CannotMerge: ``out`` holds something, the disk has no room, the adapter is damaged or of
            another base, or it goes by trends.
        FileNotFoundError: the base is not there.
        DamagedBase: it is not whole.
        OtherBase: the versions of the registry are of another base.
    """
    folder = base or DEMO_MODEL
    if problem := taken(out) or too_full(out, bytes_on_disk(folder), "the merged base"):
        raise CannotMerge(problem)
    generator = AdGenerator(AdModel.from_pretrained(folder, dtype=stored_dtype(folder)))
    if of is not None:
        refuse_other_base(of, generator, base)
    generator.model.conditioning.float()  # so the adapter's stay what they are on disk
    try:
        generator.load_adapter(_NAME, adapter)
    except (UnfitAdapter, FileNotFoundError) as error:
        raise CannotMerge(f"{called} does not fit {base or 'the bundled base'}: {error}") from error
    if not leave_trends and Trends.load(adapter).items:
        raise CannotMerge(
            f"{called} goes by what everybody clicks of late, which no base can hold: "
            "--leave-trends folds in the rest, and the next round finds trends of its own"
        )
    generator.merge_adapter(_NAME)
    with whole_folder(out) as whole:
        save_base(generator, whole, stored_dtype(folder))
