"""The `adloom` command."""

from __future__ import annotations

import logging
import os
import warnings
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.logging import RichHandler
from rich.table import Table

from adloom.loop.commands.adapter import app as adapter_app

# Heavy parts are imported by the command that needs them, so that `--help` answers at once.
from adloom.loop.commands.ads import app as ads_app
from adloom.loop.commands.base import app as base_app
from adloom.loop.commands.bench import app as bench_app
from adloom.loop.commands.capacity import app as capacity_app
from adloom.loop.commands.catalog import app as catalog_app
from adloom.loop.commands.creative_cards import app as creative_cards_app
from adloom.loop.commands.creative_reviews import app as creative_reviews_app
from adloom.loop.commands.creative_words import app as creative_words_app
from adloom.loop.commands.creatives import app as creatives_app
from adloom.loop.commands.creatives_gc import app as creatives_gc_app
from adloom.loop.commands.dataset import app as dataset_app
from adloom.loop.commands.doctor import app as doctor_app
from adloom.loop.commands.errors import Told
from adloom.loop.commands.errors import errors_told as _errors_told
from adloom.loop.commands.errors import fail as _fail
from adloom.loop.commands.errors import fail_if as _fail_if
from adloom.loop.commands.errors import problems as _problems
from adloom.loop.commands.evaluation import app as evaluation_app
from adloom.loop.commands.events import app as events_app
from adloom.loop.commands.experiment_plans import app as experiment_plans_app
from adloom.loop.commands.experiments import app as experiment_app
from adloom.loop.commands.features import app as features_app
from adloom.loop.commands.forgetting import app as forgetting_app
from adloom.loop.commands.learning import app as learning_app
from adloom.loop.commands.migrate import app as migrate_app
from adloom.loop.commands.monitoring import app as monitoring_app
from adloom.loop.commands.printing import print_table
from adloom.loop.commands.ranker import app as ranker_app
from adloom.loop.commands.replay import app as replay_app
from adloom.loop.commands.rounds import app as rounds_app
from adloom.loop.commands.schema import app as schema_app
from adloom.loop.commands.serving import app as serving_app
from adloom.loop.commands.stopping import GOES_ON, stop_told
from adloom.loop.commands.stream import app as stream_app
from adloom.loop.commands.versions import app as versions_app
from adloom.loop.openmp import wait_shortly_awake
from adloom.loop.settings import CONFIG_VARIABLE, SettingsError, load_settings
from adloom.loop.settings.out_folder import unwritable_folder
from adloom.loop.settings.private import keep_private, tighten
from adloom.models.folders import no_base

app = typer.Typer(
    name="adloom",
    cls=Told,
    help="The online loop that turns live clicks into personalised ads.",
    no_args_is_help=True,
    rich_markup_mode="markdown",  # as rich markup, [catalog] would be a tag
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(ads_app)
app.add_typer(adapter_app, name="adapter")
app.add_typer(base_app, name="base")
app.add_typer(bench_app, name="bench")
app.add_typer(catalog_app, name="catalog")
creatives_app.add_typer(creative_cards_app)
creatives_app.add_typer(creative_reviews_app)
creatives_app.add_typer(creatives_gc_app)
creatives_app.add_typer(creative_words_app, name="words")
app.add_typer(creatives_app, name="creatives")
app.add_typer(dataset_app, name="dataset")
app.add_typer(events_app, name="events")
experiment_app.add_typer(experiment_plans_app)
app.add_typer(experiment_app, name="experiment")
app.add_typer(rounds_app, name="rounds")
app.add_typer(versions_app, name="versions")
app.add_typer(monitoring_app, name="monitoring")
app.add_typer(stream_app)
app.add_typer(features_app)
app.add_typer(replay_app)
app.add_typer(schema_app)
app.add_typer(evaluation_app)
app.add_typer(learning_app)
app.add_typer(ranker_app)
app.add_typer(serving_app)
app.add_typer(migrate_app)
app.add_typer(doctor_app)
app.add_typer(capacity_app)
app.add_typer(forgetting_app)
console = Console()
_ANY_LOGIN = {"sasl_username": "anybody", "sasl_password": "unused"}


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"adloom {version('adloom')}")
        raise typer.Exit


def _is_for_users(record: logging.LogRecord) -> bool:
    return not any(f"{kind}Warning: " in record.getMessage() for kind in ("Deprecation", "Future"))


@app.callback()
def _prepare(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(help="Settings file (default: adloom.toml here).", envvar=CONFIG_VARIABLE),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what happens.")] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and end.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    warnings.filterwarnings("ignore", category=FutureWarning)
    # Feast turns them on again, for all that is loaded after it.
    logging.captureWarnings(True)
    logging.getLogger("py.warnings").addFilter(_is_for_users)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    wait_shortly_awake()
    if _problems.is_terminal:
        handler: logging.Handler = RichHandler(console=_problems, show_path=False)
        form = "%(name)s: %(message)s"
    else:  # whole lines, for who looks for words in them
        handler = logging.StreamHandler()
        form = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    logging.basicConfig(level=logging.WARNING, format=form, handlers=[handler])
    logging.getLogger("adloom").setLevel(logging.INFO if verbose else logging.WARNING)
    # What the client finds on its way and mends itself is no news; adloom tells what is wrong.
    logging.getLogger("kafka").setLevel(logging.WARNING if verbose else logging.CRITICAL)
    # It warns of every try at MLflow; what came of them is told at the end.
    logging.getLogger("urllib3").setLevel(logging.WARNING if verbose else logging.ERROR)
    # It warns of every batch that takes longer than 0.1 s to decode, and of nothing else.
    logging.getLogger("kafka.net.selector").setLevel(logging.ERROR)
    # Names and forms are told to who has no login.
    given = {"kafka": _ANY_LOGIN} if context.invoked_subcommand == "schema" else {}
    try:
        context.obj = load_settings(config, **given)
    except SettingsError as error:
        _fail(str(error))
    keep_private()
    if context.invoked_subcommand == "doctor":  # it looks, and changes nothing
        return
    if (told := tighten(context.obj.home)) is not None:
        _problems.print(told, markup=False, highlight=False, soft_wrap=True)


@app.command()
def demo(
    context: typer.Context,
    rounds: Annotated[int, typer.Option(min=0, max=20, help="Fine-tune rounds.")] = 2,
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("adloom-demo"),
    seed: Annotated[int, typer.Option(min=0, help="Another seed, another crowd.")] = 0,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Begin anew: an earlier demo in the folder is removed.")
    ] = False,
) -> None:
    """Run the whole loop on the demo shop: clicks, features, ads, learning, promotion.

    Run it again after a stop and it goes on.
    """
    _fail_if(unwritable_folder(out))
    from adloom.loop.demo.kept import EarlierDemo, clear, refuse_earlier
    from adloom.loop.demo.parts import DemoPlan, EventsLost

    plan = DemoPlan(rounds=rounds, seed=seed)
    with _errors_told(EarlierDemo):
        if fresh:
            clear(out)
        refuse_earlier(out, plan)
    from adloom.loop.demo.demo import run_demo

    settings = context.obj.model_copy(update={"home": out / "home"})
    with _errors_told(EventsLost, EarlierDemo), stop_told(lambda: GOES_ON):
        run = run_demo(settings, plan, out, console)
    summary = run.summary()
    table = Table(show_header=False, box=None, padding=(0, 2))
    table.add_row("Events produced", f"{run.produced:,}")
    table.add_row("Applied to features", f"{run.consumed:,}")
    table.add_row("Dead letters", f"{sum(run.dead_letters.values())}")
    table.add_row("Ads served", f"{len(run.shown)}")
    for arm, rate in summary["ctr_by_variant"].items():  # type: ignore[attr-defined]
        table.add_row(f"Click-through rate, {arm} arm", f"{rate:.1%}")
    if run.recovered is not None:
        table.add_row("Of what the drift cost, recovered", f"{run.recovered:.0%}")
    table.add_row("Time", f"{summary['seconds']} s")
    print_table(console, table)
    console.print(
        f"\nOpen [bold]{out / 'report.html'}[/]; the ads are in {out / 'ads'}.", soft_wrap=True
    )


@app.command()
def pretrain(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="Folder for checkpoints and the model.")] = Path(
        "adloom-pretrain"
    ),
    base: Annotated[
        Path | None,
        typer.Option(
            "--continue", help="Let the generator of this demo base learn on, not from nothing."
        ),
    ] = None,
    steps: Annotated[
        int, typer.Option(min=1, help="With --continue: how many steps it learns.")
    ] = 1500,
    sharpen: Annotated[
        bool,
        typer.Option("--sharpen", help="With --continue: it learns to show its pictures sharper."),
    ] = False,
    guide: Annotated[
        bool,
        typer.Option("--guide", help="With --continue: it learns to be guided without a twin."),
    ] = False,
) -> None:
    """Train the demo model from nothing; run it again to go on after a stop.

    With several cores or GPUs: torchrun --no-python --nproc-per-node N adloom pretrain
    """
    _fail_if(unwritable_folder(out), no_base(base))
    if (sharpen or guide) and base is None:
        asked = "--sharpen" if sharpen else "--guide"
        _fail(f"{asked} wants a base that learns on: name it by --continue")
    if sharpen and guide:
        _fail("a base learns one at a time: first --guide or --sharpen, then the other from that")
    from adloom.loop import home
    from adloom.loop.demo.pretraining.plan import going_on, guiding, sharpening
    from adloom.loop.demo.pretraining.pretrain import go_on
    from adloom.loop.demo.pretraining.pretrain import guide as guide_base
    from adloom.loop.demo.pretraining.pretrain import pretrain as train
    from adloom.loop.demo.pretraining.pretrain import sharpen as sharpen_base
    from adloom.models.demo_base import no_demo_base, no_twin_base
    from adloom.models.training.data_parallel import join_world, rank

    if base is not None:
        _fail_if(no_demo_base(base), None if sharpen else no_twin_base(base))
    join_world()
    if rank() == 0:
        home.open_registry(context.obj).track()
    out.mkdir(parents=True, exist_ok=True)
    with stop_told(lambda: GOES_ON):
        if base is None:
            train(out)
        elif sharpen:
            sharpen_base(base, out, sharpening(steps))
        elif guide:
            guide_base(base, out, guiding(steps))
        else:
            go_on(base, out, going_on(steps))
    console.print(
        f"The model is in {out / 'model'}; use it with generator.path in adloom.toml.",
        soft_wrap=True,
    )
