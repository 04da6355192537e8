"""`adloom base`: a base model of your own, from public checkpoints and a data set."""

from __future__ import annotations

import typer

from adloom.loop.commands.base import build, encode, plan, register, train

app = typer.Typer(
    no_args_is_help=True,
    help="A base model of your own: built from public checkpoints, trained on a data set.",
)
app.add_typer(plan.app)
app.add_typer(build.app)
app.add_typer(encode.app)
app.add_typer(train.app)
app.add_typer(register.app)
