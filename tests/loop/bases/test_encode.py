"""A data set becomes shards: whatever is wrong with records, and however often it is killed."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from adloom.loop.bases import encode as encoding
from adloom.loop.commands.app import app
from adloom.models.datasets.pad1m import Pad1M
from adloom.models.datasets.record import AdRecord
from adloom.models.datasets.shards import Manifest, read_shard, shard_files, write_shard
from adloom.models.picture_encoder import PictureEncoder
from tests.forking import processes
from tests.loop.bases.public import pad1m_sample, public_base


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return public_base(tmp_path_factory.mktemp("public"))


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Pad1M:
    return pad1m_sample(tmp_path_factory.mktemp("sample"), 60)


def words(data: Pad1M, base: Path, out: Path, *more: str) -> list[str]:
    given = {"--data": data.file, "--pictures": data.pictures, "--base": base, "--out": out}
    told = [str(word) for option in given.items() for word in option]
    return ["base", "encode", *told, "--device", "cpu", "--rows-per-shard", "16", *more]


def encode(data: Pad1M, base: Path, out: Path, *more: str) -> Result:
    return CliRunner().invoke(app, words(data, base, out, *more))


def encode_slowly(given: list[str]) -> None:
    """For a process of its own, which is killed on the way."""

    def slowly(*given: Any) -> None:
        time.sleep(0.3)
        write_shard(*given)
        time.sleep(0.3)

    vars(encoding)["write_shard"] = slowly
    app(given)


def records(out: Path) -> list[AdRecord]:
    return [record for file in shard_files(out) for record in read_shard(file)]


def content(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.iterdir()}


@pytest.fixture(scope="module")
def shards(sample: Pad1M, base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample, encoded without a break."""
    out = tmp_path_factory.mktemp("encoded") / "shards"
    made = encode(sample, base, out, "--heldout", "0.3", "--json")
    assert made.exit_code == 0, made.output
    told = json.loads(made.stdout)
    assert (told["shards"], sum(told["records"].values()), told["complete"]) == (4, 60, True)
    return out


def test_shards_hold_every_record_as_the_base_reads_it(
    shards: Path, sample: Pad1M, base: Path
) -> None:
    made, told = records(shards), list(sample.records())
    pictures = PictureEncoder.from_pretrained(base, "cpu")
    manifest = Manifest.load(shards)
    assert manifest.codebook == pictures.codebook_name
    assert manifest.languages == {"zh": 60}
    assert [r.name for r in made] == [t.sku_title_cn for t in told]
    assert [len(r.history) for r in made] == [len(t.history_images) for t in told]
    last, its = made[-1], told[-1]
    assert last.codes.tolist() == pictures.encode([sample.picture(its.f_path)])[0].tolist()
    seen = pictures.encode_history([sample.picture(its.history_images[0])])[0]
    assert last.history[0].codes.tolist() == seen.tolist()
    assert last.opened_picture().size == (64, 64)
    assert last.placement is not None
    assert max(last.placement.width, last.placement.height) == pytest.approx(its.max_ratio)
    assert (shards / "left_out.jsonl").read_text() == ""


def test_no_product_is_in_both_splits(shards: Path) -> None:
    products = {
        split: {r.name for r in records(shards) if r.split == split}
        for split in ("train", "heldout")
    }
    assert all(products.values())
    assert not products["train"] & products["heldout"]


def test_several_processes_make_the_same(
    shards: Path, sample: Pad1M, base: Path, tmp_path: Path
) -> None:
    made = encode(sample, base, tmp_path / "shards", "--heldout", "0.3", "--workers", "2")
    assert made.exit_code == 0, made.output
    assert content(tmp_path / "shards") == content(shards)


def test_killed_and_begun_again_it_ends_as_if_nothing_had_happened(
    shards: Path, sample: Pad1M, base: Path, tmp_path: Path
) -> None:
    out = tmp_path / "shards"
    given = words(sample, base, out, "--heldout", "0.3")
    running = processes.Process(target=encode_slowly, args=(given,))
    running.start()
    while not (out / "shard-00001.parquet").exists():
        assert running.is_alive()
        time.sleep(0.02)
    running.kill()
    running.join()
    assert not Manifest.load(out).complete
    kept = (out / "shard-00000.parquet").stat().st_mtime_ns
    for more, told in (
        (["--heldout", "0.2"], "another --heldout"),
        (["--heldout", "0.3", "--rows-per-shard", "8"], "another --rows-per-shard"),
    ):
        refused = encode(sample, base, out, *more)
        assert refused.exit_code == 2
        assert told in refused.stderr
    assert encode(sample, base, out, "--heldout", "0.3").exit_code == 0
    assert (out / "shard-00000.parquet").stat().st_mtime_ns == kept
    assert content(out) == content(shards)


def change(data: Pad1M, folder: Path, changes: dict[int, dict[str, Any]]) -> Pad1M:
    """The sample as lines, some records changed; its pictures stay where they are."""
    told = json.loads(data.file.read_text(encoding="utf-8"))
    lines = [json.dumps(one | changes.get(n, {})) for n, one in enumerate(told, start=1)]
    file = folder / "changed.jsonl"
    file.write_text("\n".join(lines))
    return Pad1M(file, data.pictures)


def test_bad_records_are_left_out_counted_and_listed(
    sample: Pad1M, base: Path, tmp_path: Path
) -> None:
    (sample.pictures / "broken.jpg").write_bytes(b"\xff\xd8 no picture")
    Image.new("RGBA", (8, 8)).save(sample.pictures / "empty.png")
    changed: dict[int, dict[str, Any]] = {
        2: {"f_path": "gone.jpg"},
        3: {"max_ratio": -1},
        5: {"f_path": "../elsewhere.jpg"},
        7: {"f_path_trans": "empty.png"},
        11: {"history_images": ["broken.jpg"], "history_titles": ["a"], "text_similarity": [1]},
    }
    data = change(sample, tmp_path, changed)
    data.file.write_text(data.file.read_text() + "\n{half a re")
    made = encode(data, base, tmp_path / "shards", "--json")
    assert made.exit_code == 0, made.output
    told = json.loads(made.stdout)
    listed = (tmp_path / "shards" / "left_out.jsonl").read_text().splitlines()
    left = {one["number"]: one["reason"] for one in map(json.loads, listed)}
    assert left == {
        2: "missing picture",
        3: "bad fields",
        5: "picture outside the folder",
        7: "empty cutout",
        11: "broken picture",
        61: "no JSON",
    }
    assert told["left_out"] == dict.fromkeys(sorted(left.values()), 1)
    assert [r.record_id for r in records(tmp_path / "shards")][:3] == ["1", "4", "6"]


def refused(result: Result) -> str:
    assert result.exit_code == 2, (result.output, result.exception)
    [line] = result.stderr.splitlines()
    return line


def test_a_data_set_of_which_most_is_bad_is_refused_before_anything_is_written(
    sample: Pad1M, base: Path, tmp_path: Path
) -> None:
    out = tmp_path / "shards"
    elsewhere = Pad1M(sample.file, tmp_path)
    told = refused(encode(elsewhere, base, out))
    assert "60 of the first 60 records cannot be used, 60 for a missing picture" in told
    (tmp_path / "none.json").write_text("[]")
    assert "holds no record" in refused(
        encode(Pad1M(tmp_path / "none.json", sample.pictures), base, out)
    )
    assert not out.exists()
    out.mkdir()
    (out / "mine").touch()
    assert "holds something else" in refused(encode(sample, base, out))
