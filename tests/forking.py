"""Processes that have imported all that commands load: forked from one that did so once."""

from __future__ import annotations

import multiprocessing

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(
    [
        "adloom.stream.consumer",
        "adloom.loop.serving.app",
        "adloom.loop.learning.rounds.train",
        "adloom.loop.catalogue.intake.creatives.importing",
    ]
)
