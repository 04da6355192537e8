"""A data set in PAd1M's format to shards: made once, on all devices, and gone on with.

A shard holds what is good of so many records in a row, and hangs on nothing else. So processes
divide them by their numbers, one that is killed loses no more than the shard it was at, and what
comes out is the same to a byte however often it was cut off.
"""

from __future__ import annotations

import json
import multiprocessing
import os
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch

from adloom.feature_store.locking import file_lock
from adloom.loop.bases.encoding_plan import EncodingPlan, begun, name_of, refuse_other
from adloom.loop.bases.finish_encoding import finish, left_out_file, tidy
from adloom.models.config import AdGeneratorConfig
from adloom.models.datasets.encoding import RecordEncoder
from adloom.models.datasets.pad1m import BadRecord, Pad1M
from adloom.models.datasets.record import AdRecord
from adloom.models.datasets.shards import Manifest, shard_file, write_shard
from adloom.models.picture_encoder import PictureEncoder

_LOOKED_AT = 100
_POLL_SECONDS = 0.5
_THREADS = 4

OnRecords = Callable[[int, int], None]
"""Takes how many records are done, and of how many."""


class CannotEncode(ValueError):
    """The data set is not one that can be encoded; the message says why."""


@dataclass(frozen=True)
class Encoding:
    """What to encode, with what, and where to.

    Attributes:
        data: file and pictures.
        base: folder of a saved base.
        out: folder for the shards.
        heldout: share of products that are not trained on, where the file does not say.
        rows_per_shard: records of a shard, bad ones too.
    """

    data: Pad1M
    base: Path
    out: Path
    heldout: float = 0.05
    rows_per_shard: int = 1000


def devices_here(device: str | None, workers: int | None) -> list[str]:
    """The device of each process: every GPU there is, or one process on the CPU."""
    gpus = torch.cuda.device_count()
    each = [device] if device else [f"cuda:{n}" for n in range(gpus)] or ["cpu"]
    return [each[n % len(each)] for n in range(workers or len(each))]


def encode_data_set(
    encoding: Encoding, devices: Sequence[str], on_records: OnRecords = lambda *_: None
) -> Manifest:
    """Encode what is not encoded yet; return what the data set is.

    Raises:
        CannotEncode: there is no record, or most of the first hundred cannot be used.
        OtherEncoding: the folder holds another encoding, or something else.
        DamagedJson: the file is a list that breaks off.
        FileNotFoundError: there is no such file or base.
    """
    if not encoding.data.pictures.is_dir():
        raise FileNotFoundError(f"{encoding.data.pictures}: there is no such folder of pictures")
    name, before = name_of(encoding.data.file), begun(encoding.out)
    pictures = PictureEncoder.from_pretrained(encoding.base, devices[0])
    plan = _plan(encoding, name, pictures, before)
    if before is not None:
        refuse_other(encoding.out, before, plan)
    encoding.out.mkdir(parents=True, exist_ok=True)
    with file_lock(encoding.out / ".lock"):
        plan.save(encoding.out)
        if _is_complete(encoding.out):
            tidy(encoding.out)
            return Manifest.load(encoding.out)
        _manifest(plan).save(encoding.out)
        if len(devices) == 1:
            _Share(encoding, plan, pictures).encode(on_records)
        else:
            del pictures  # each process loads its own
            _in_processes(encoding, plan, devices, on_records)
        return finish(encoding.out, plan.shards, _manifest(plan))


def _plan(
    encoding: Encoding, name: str, pictures: PictureEncoder, before: EncodingPlan | None
) -> EncodingPlan:
    if before is None:
        _refuse_hopeless(encoding, pictures)
    return EncodingPlan(
        data=name,
        pictures=str(encoding.data.pictures.resolve()),
        codebook=pictures.codebook_name,
        history_codebook=pictures.history_codebook_name,
        picture_size=AdGeneratorConfig.load(encoding.base).picture_size,
        heldout=encoding.heldout,
        rows_per_shard=encoding.rows_per_shard,
        records=encoding.data.count() if before is None else before.records,
    )


def _refuse_hopeless(encoding: Encoding, pictures: PictureEncoder) -> None:
    """Before anything is written: a wrong folder would leave a million records out."""
    with ThreadPoolExecutor(_THREADS) as threads:
        encoder = _record_encoder(encoding, pictures, 1, threads)
        block = next(encoding.data.blocks(_LOOKED_AT), None)
        if block is None:
            raise CannotEncode(f"{encoding.data.file} holds no record")
        problems = [encoder.problem(record) for _, record in islice(block, _LOOKED_AT)]
    bad = [problem for problem in problems if problem is not None]
    if 2 * len(bad) > len(problems):
        [(reason, count)] = Counter(one.reason for one in bad).most_common(1)
        such = next(one for one in bad if one.reason == reason)
        raise CannotEncode(
            f"{len(bad)} of the first {len(problems)} records cannot be used, {count} for a "
            f"{reason} ({such}): look at --data and --pictures"
        )


def _record_encoder(
    encoding: Encoding, pictures: PictureEncoder, size: int, threads: ThreadPoolExecutor
) -> RecordEncoder:
    return RecordEncoder(
        encoding.data, pictures.encode, pictures.encode_history, size, encoding.heldout, threads
    )


def _manifest(plan: EncodingPlan) -> Manifest:
    return Manifest(
        codebook=plan.codebook,
        history_codebook=plan.history_codebook,
        picture_size=plan.picture_size,
        shards=plan.shards,
    )


def _is_complete(folder: Path) -> bool:
    whole = (folder / "dataset.json").exists() and Manifest.load(folder)
    if not whole or not whole.complete:
        return False
    return all(shard_file(folder, number).is_file() for number in range(whole.shards))


@dataclass(frozen=True)
class _Share:
    """The shards of one process: every ``of``-th from ``share`` on."""

    encoding: Encoding
    plan: EncodingPlan
    pictures: PictureEncoder
    share: int = 0
    of: int = 1

    def encode(self, on_records: OnRecords = lambda *_: None) -> None:
        """Write the shards that are not there yet."""
        parent, rows = os.getppid(), self.plan.rows_per_shard
        with ThreadPoolExecutor(_THREADS) as threads:
            size = self.plan.picture_size
            encoder = _record_encoder(self.encoding, self.pictures, size, threads)
            for number, block in enumerate(self.encoding.data.blocks(rows)):
                if number % self.of == self.share and not self._is_there(number):
                    done = number * rows
                    records: list[AdRecord] = []
                    bad: list[tuple[int, BadRecord]] = []
                    for at, made in encoder.encoded(list(block)):
                        if isinstance(made, BadRecord):
                            bad.append((at, made))
                        else:
                            records.append(made)
                        done += 1
                        on_records(done, self.plan.records)
                    if os.getppid() != parent:
                        return  # whoever asked for it is gone, and may have begun anew
                    self._write(number, records, bad)

    def _is_there(self, number: int) -> bool:
        out = self.encoding.out
        return shard_file(out, number).is_file() and left_out_file(out, number).is_file()

    def _write(
        self, number: int, records: list[AdRecord], bad: list[tuple[int, BadRecord]]
    ) -> None:
        """What was left out first: a shard that is there has it beside it."""
        lines = [
            {"number": at, "reason": problem.reason, "detail": str(problem)} for at, problem in bad
        ]
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        left_out_file(self.encoding.out, number).write_text(text, encoding="utf-8")
        write_shard(self.encoding.out, number, records)


def _in_processes(
    encoding: Encoding, plan: EncodingPlan, devices: Sequence[str], on_records: OnRecords
) -> None:
    """One process a device; how far they are is told by the shards that are there."""
    fresh = multiprocessing.get_context("spawn")  # a GPU cannot be used after a fork
    with ProcessPoolExecutor(len(devices), mp_context=fresh) as processes:
        running = {
            processes.submit(_encode_share, encoding, plan, device, share, len(devices))
            for share, device in enumerate(devices)
        }
        while running:
            done, running = wait(running, _POLL_SECONDS, return_when=FIRST_EXCEPTION)
            there = sum(shard_file(encoding.out, n).is_file() for n in range(plan.shards))
            on_records(min(there * plan.rows_per_shard, plan.records), plan.records)
            for one in done:
                try:
                    one.result()
                except BrokenProcessPool as error:
                    raise CannotEncode(
                        "a process that encodes was ended from outside, perhaps for want of "
                        "memory: run this again, it goes on; fewer --workers need less"
                    ) from error


def _encode_share(encoding: Encoding, plan: EncodingPlan, device: str, share: int, of: int) -> None:
    pictures = PictureEncoder.from_pretrained(encoding.base, device)
    _Share(encoding, plan, pictures, share, of).encode()
