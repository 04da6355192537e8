"""`adloom evaluate`, and `adloom pretrain-pbs` for the encoder that it measures with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from adloom.loop.commands.errors import errors_told, fail, fail_if, problems
from adloom.loop.commands.printing import AsJson, print_tables
from adloom.loop.commands.stopping import GOES_ON, stop_told
from adloom.loop.progress import progress_told
from adloom.loop.settings import Settings
from adloom.loop.settings.out_folder import unwritable_file, unwritable_folder
from adloom.models.folders import no_adapter, no_base, no_shards

if TYPE_CHECKING:
    from adloom.loop.evaluation.contact_sheet import SheetRow
    from adloom.loop.evaluation.dataset.evaluate import DatasetPlan
    from adloom.loop.evaluation.dataset.run import Judged
    from adloom.loop.evaluation.dataset.tally import Report

app = typer.Typer()
console = Console()


@app.command("pretrain-pbs")
def pretrain_pbs_command(
    context: typer.Context,
    data: Annotated[
        Path | None,
        typer.Option(help="Train on this data set (`base encode`), not on the demo's scenes."),
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Steps of training.")] = 1500,
    out: Annotated[Path, typer.Option(help="Folder for checkpoints and the weights.")] = Path(
        "adloom-pbs"
    ),
) -> None:
    """Train the background encoder of `evaluate`; run it again to go on after a stop.

    It learns that a scene stays the same whatever product is before it, and that a product before
    two scenes is two pictures.
    """
    fail_if(None if data is None else no_shards(data), unwritable_folder(out))
    from adloom.loop import home
    from adloom.loop.demo.pretraining.background import PbsPlan, pretrain_pbs
    from adloom.loop.evaluation.dataset.pretrain_pbs import pretrain_pbs_on
    from adloom.loop.evaluation.dataset.records import CannotJudge
    from adloom.models.datasets.shards import BadShards, shard_files

    plan = PbsPlan(steps=steps)
    with errors_told(BadShards, CannotJudge), stop_told(lambda: GOES_ON):
        if data is not None:
            shard_files(data)  # before MLflow is asked
        home.open_registry(context.obj).track()
        weights = pretrain_pbs(out, plan) if data is None else pretrain_pbs_on(data, out, plan)
    told = f"The encoder is in {weights}; use it with: adloom evaluate --pbs {weights}"
    console.print(told, markup=False, highlight=False, soft_wrap=True)


@app.command()
def evaluate(
    context: typer.Context,
    data: Annotated[
        Path | None,
        typer.Option(help="Judge on the held-out records of this data set (`base encode`)."),
    ] = None,
    base: Annotated[
        Path | None, typer.Option(help="With --data: a base (default: generator.path).")
    ] = None,
    adapter: Annotated[
        Path | None, typer.Option(help="With --data: a folder with an adapter of the base.")
    ] = None,
    version: Annotated[
        int | None, typer.Option(min=1, help="With --data: the adapter of a registered version.")
    ] = None,
    records: Annotated[
        int | None, typer.Option(min=2, help="With --data: so many records, not all.")
    ] = None,
    shoppers: Annotated[int, typer.Option(min=2, help="Without --data: held-out shoppers.")] = 96,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, other ads and shoppers.")] = 0,
    sheet: Annotated[Path, typer.Option(help="Contact sheet (PNG) to write.")] = Path(
        "adloom-evaluation.png"
    ),
    pbs: Annotated[
        Path | None,
        typer.Option(
            help="Weights of another encoder: of pretrain-pbs, or a checkpoint of MoCo v3 "
            "(.pth, .pth.tar, .pt, .safetensors)."
        ),
    ] = None,
    inception: Annotated[
        Path | None,
        typer.Option(
            help="With --data: weights of the Inception-v3 that FID and KID are known by "
            "(pt_inception-2015-12-05-6726825d.pth); without, both are told on PBS' features."
        ),
    ] = None,
    clip: Annotated[
        Path | None, typer.Option(help="With --data: a folder with a CLIP model: CLIP score.")
    ] = None,
    pick_score: Annotated[
        Path | None, typer.Option(help="With --data: a folder with PickScore's model.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure personalisation on shoppers and products that no training saw.

    With --data on a data set: no history, random ads of it, those that are like the product (full),
    the same with all tokens kept, somebody else's; PBS, BLEU, ROUGE-L, FID and KID with intervals,
    differences to no history, by language and by category. Without it on the demo's shoppers.
    ImageReward is not among the scores: it is no model that transformers loads.

    For reference, the paper's own figures on PAd1M, of its own model (PBS / BLEU / ROUGE): no
    history .617/.225/.525, random history .606/.427/.650, full .634/.435/.662.
    """
    fail_if(_unfit_sheet(sheet))
    if data is None:
        alone = {"--base": base, "--adapter": adapter, "--version": version, "--records": records}
        alone |= {"--inception": inception, "--clip": clip, "--pick-score": pick_score}
        if given := [name for name, value in alone.items() if value is not None]:
            fail(f"{given[0]} judges on a data set: give one with --data SHARDS")
        _on_panel(context.obj, shoppers, seed, sheet, pbs, as_json)
        return
    if adapter is not None and version is not None:
        fail("--adapter and --version are two adapters: give one of them")
    of_base = context.obj.generator.path if base is None else base
    fail_if(no_shards(data), no_base(of_base), no_adapter(adapter))
    from adloom.loop.evaluation.dataset.evaluate import DatasetPlan
    from adloom.loop.evaluation.dataset.run import Judged, Weights

    batch = context.obj.generator.batch_size
    judged = Judged(base, adapter, version, Weights(pbs, inception, clip, pick_score))
    found, rows = _on_data(context.obj, judged, DatasetPlan(data, records, batch), seed)
    if as_json:
        print(found.model_dump_json(indent=2), flush=True)
    else:
        _tell(found)
    _write_sheet(rows, sheet, as_json)


def _unfit_sheet(sheet: Path) -> str | None:
    if sheet.suffix.lower() != ".png":
        return f"--sheet {sheet}: name a file that ends in .png"
    return unwritable_file(sheet)


def _on_data(
    settings: Settings, judged: Judged, plan: DatasetPlan, seed: int
) -> tuple[Report, list[SheetRow]]:
    from adloom.loop.evaluation.dataset.records import CannotJudge
    from adloom.loop.evaluation.dataset.run import evaluate_on_data
    from adloom.loop.learning.registry import UnknownVersion
    from adloom.models.datasets.shards import BadShards
    from adloom.models.quality.background import BadEncoder
    from adloom.models.quality.clip import BadScorer

    foreseen = BadEncoder, BadScorer, BadShards, CannotJudge, UnknownVersion
    with errors_told(*foreseen), progress_told(problems, "Drawing and judging", "ads") as tell:
        return evaluate_on_data(settings, judged, plan, seed, tell)


def _tell(found: Report) -> None:
    from adloom.loop.evaluation.dataset.tables import report_tables

    judged = f"Base {found.base}" + (f", {found.adapter}" if found.adapter else "")
    console.print(judged, markup=False, highlight=False, soft_wrap=True)
    print_tables(console, report_tables(found))


def _on_panel(
    settings: Settings, shoppers: int, seed: int, sheet: Path, pbs: Path | None, as_json: bool
) -> None:
    from adloom.loop.evaluation import evaluate as evaluation
    from adloom.models.quality.background import BadEncoder

    plan = evaluation.EvaluationPlan(shoppers=shoppers, seed=seed)
    with errors_told(BadEncoder):
        scores, rows = evaluation.run_evaluation(settings, plan, pbs, problems)
    if as_json:
        print(evaluation.as_json(scores), flush=True)
    else:
        print_tables(console, evaluation.score_tables(scores))
    _write_sheet(rows, sheet, as_json)


def _write_sheet(rows: Sequence[SheetRow], sheet: Path, as_json: bool) -> None:
    """After the report, which took its time and is not lost by a picture."""
    from adloom.loop.evaluation.contact_sheet import save_contact_sheet

    try:
        save_contact_sheet(rows, sheet)
    except (OSError, ValueError) as error:
        fail(f"the contact sheet {sheet} could not be written, the report is whole: {error}")
    if not as_json:
        console.print(
            f"The contact sheet is {sheet}", markup=False, highlight=False, soft_wrap=True
        )
