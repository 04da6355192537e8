"""Public checkpoints that a base is built from: folders, or names on the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub import HfApi, try_to_load_from_cache
from huggingface_hub.errors import HfHubHTTPError, HFValidationError

from adloom.loop.bases.checkpoint_folders import is_folder, unusable_folder
from adloom.models.damaged_base import first_line
from adloom.models.public_checkpoint import Kind, refuse_other_kinds

_HUB_SECONDS = 20.0


class BadCheckpoint(ValueError):
    """A checkpoint that cannot become part of a base; the message names it and what is wrong."""


def in_one_line(checkpoint: str, error: Exception) -> BadCheckpoint:
    """What a library says of a checkpoint, cut to its first line, with the name before it."""
    first = first_line(error)
    return BadCheckpoint(first if first.startswith(checkpoint) else f"{checkpoint}: {first}")


@contextmanager
def sizes_told(checkpoint: str) -> Iterator[None]:
    """Around what makes a model by a checkpoint's descriptions: what its parts cannot be is told.

    Raises:
        BadCheckpoint: its files cannot be read, or the sizes that they tell do not fit together.
        OSError: the machine does not let them be read.
    """
    try:
        yield
    except Exception as error:  # each library has its own for sizes that it cannot make
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno):
            raise
        raise in_one_line(checkpoint, error) from error


def refuse_unusable(checkpoint: str, kind: Kind) -> None:
    """Look at what lies there and at its config.json, and read nothing else of it.

    Raises:
        BadCheckpoint: there is none of this kind, here or on the hub, or files of it are missing.
    """
    if is_folder(checkpoint):
        if (problem := unusable_folder(checkpoint)) is not None:
            raise BadCheckpoint(problem)
    elif not isinstance(try_to_load_from_cache(checkpoint, "config.json"), str):
        _refuse_unknown_to_the_hub(checkpoint)
    try:
        refuse_other_kinds(checkpoint, kind)
    except (OSError, ValueError) as error:
        raise in_one_line(checkpoint, error) from error


def _refuse_unknown_to_the_hub(checkpoint: str) -> None:
    """Asked once: a download tries a hub that is away for half a minute."""
    try:
        HfApi().model_info(checkpoint, timeout=_HUB_SECONDS)
    except (HfHubHTTPError, HFValidationError) as error:
        told = str(error).strip().splitlines()[0]
        raise BadCheckpoint(f"{checkpoint}: no folder here, and the hub says: {told}") from error
    except Exception as error:  # of whichever HTTP library the hub's own has today
        raise BadCheckpoint(
            f"{checkpoint}: no folder here, and the Hugging Face hub cannot be reached; download "
            "the checkpoint where there is a network, and give its folder"
        ) from error
