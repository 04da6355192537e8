"""The registered model as MLflow runs it: a table of requests in, titles and pictures out.

This file is logged with each version ("models from code"), so a version is this text, an adapter in
safetensors and a few settings: nothing is pickled. `mlflow models predict` and `mlflow models
serve` run it where adloom is installed.

Input columns: `user_id` (text), `seed` (integer), and the product: either `product_id` alone, which
is looked up in the catalogue of the settings where the model runs, or `product_name`,
`selling_points` (list of text), `category` and `cutout` (base64 of a PNG or WebP with
transparency). `history_titles` (list of text) and `history_codes` (list of lists of VQ codes,
as the base reads histories) are the ads this shopper clicked, what says most of their taste first
(`adloom.models.agreement`; each list may have an order of its own), at most ten; both lists empty,
or left out, ask for an unpersonalised ad. Output columns: `title` and `picture_png` (base64 of the
finished PNG).
"""

from __future__ import annotations

import base64
import json
import shutil
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import ModelSignature, set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext
from mlflow.types import ColSpec, DataType, Schema
from mlflow.types.schema import Array
from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from adloom.loop.catalogue.product import Product
    from adloom.models.ad_generator import AdGenerator

ADAPTER_PATH = "artifacts/adapter"
_ADAPTER_NAME = "version"
_MAX_CUTOUT_BYTES, _MAX_CUTOUT_PIXELS = 4 << 20, 4_000_000

SIGNATURE = ModelSignature(
    inputs=Schema(
        [
            ColSpec(DataType.string, "user_id"),
            ColSpec(DataType.string, "product_id", required=False),
            ColSpec(DataType.long, "seed"),
            ColSpec(DataType.string, "product_name", required=False),
            ColSpec(Array(DataType.string), "selling_points", required=False),
            ColSpec(DataType.string, "category", required=False),
            ColSpec(DataType.string, "cutout", required=False),
            ColSpec(Array(DataType.string), "history_titles", required=False),
            ColSpec(Array(Array(DataType.long)), "history_codes", required=False),
        ]
    ),
    outputs=Schema([ColSpec(DataType.string, "title"), ColSpec(DataType.string, "picture_png")]),
)


def log(
    run_id: str, adapter: Path | None, model_config: Mapping[str, Any], card: str | None = None
) -> str:
    """Logs a version's model in a run and returns its model URI.

    Args:
        run_id: an MLflow run of the process's tracking server.
        adapter: the adapter's folder; None for the base model alone.
        model_config: `base` (folder of the base model, None = the bundled one), `sampling`
            (fields of `adloom.models.sampling.Sampling`) and `constrain_titles`.
        card: a model card, kept beside them as `artifacts/model_card.md`.
    """
    # Kept as a file: given to MLflow as the example it would load a second base to try it.
    example = pd.DataFrame(
        {
            "user_id": ["a new shopper"],
            "seed": [0],
            "product_name": ["Coffee Mug"],
            "selling_points": [["hand made"]],
            "category": ["kitchen"],
            "cutout": [_example_cutout()],
            "history_titles": [[]],
            "history_codes": [[]],
        }
    )
    with tempfile.TemporaryDirectory() as scratch, mlflow.start_run(run_id=run_id):
        note = Path(scratch) / "adloom.json"
        note.write_text(json.dumps(dict(model_config), indent=2))
        asked = Path(scratch) / "example.json"
        asked.write_text(json.dumps({"dataframe_split": example.to_dict(orient="split")}))
        artifacts = {"settings": str(note), "example": str(asked)}
        if card is not None:
            written = Path(scratch) / "model_card.md"
            written.write_text(card)
            artifacts["model_card"] = str(written)
        if adapter is not None:
            # MLflow keeps a folder's own name, and ADAPTER_PATH must hold for every version.
            artifacts["adapter"] = str(shutil.copytree(adapter, Path(scratch) / "adapter"))
        # MLflow keeps a file's mode too, and an installed one is for everybody to read.
        program = shutil.copyfile(__file__, Path(scratch) / Path(__file__).name)
        with warnings.catch_warnings():
            # The example is kept as a file, as above.
            warnings.filterwarnings("ignore", message=".*input example")
            info = mlflow.pyfunc.log_model(
                name="ad-generator",
                python_model=str(program),
                artifacts=artifacts,
                signature=SIGNATURE,
                pip_requirements=["adloom"],
            )
    return str(info.model_uri)


class RegisteredAdGenerator(PythonModel):
    """A version of the ad generator behind MLflow's own interface."""

    def load_context(self, context: PythonModelContext) -> None:
        from adloom.models.ad_generator import AdGenerator
        from adloom.models.sampling import Sampling

        self._config = json.loads(Path(context.artifacts["settings"]).read_text())
        sampling = dict(self._config["sampling"])
        # Versions of before titles had rules: their words stood here, null for no constraint.
        self._style_words = tuple(sampling.pop("style_words", ()) or ())
        self._constrained = self._config.get(
            "constrain_titles", self._config["sampling"].get("style_words") is not None
        )
        self._sampling = Sampling(**sampling)
        self._generator: AdGenerator = AdGenerator.from_pretrained(self._config["base"])
        self._adapter = None
        if "adapter" in context.artifacts:
            self._generator.load_adapter(_ADAPTER_NAME, Path(context.artifacts["adapter"]))
            self._adapter = _ADAPTER_NAME

    def predict(
        self,
        context: PythonModelContext,
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Raises UnknownProduct for a product that the catalogue does not have."""
        from adloom.loop.catalogue.briefs import brief, finished
        from adloom.loop.catalogue.pictures.store import png_bytes
        from adloom.loop.catalogue.words.titles import TitleWords
        from adloom.loop.settings import load_settings
        from adloom.models.brief import HistoryAd

        titles = TitleWords(load_settings().titles, lambda language: self._style_words)
        products = _products(model_input)
        histories = [
            tuple(
                HistoryAd(title, np.asarray(code, dtype=np.int16))
                for title, code in zip(titles, codes, strict=True)
            )
            for titles, codes in zip(
                _lists(model_input, "history_titles"),
                _lists(model_input, "history_codes"),
                strict=True,
            )
        ]
        drafts = self._generator.generate(
            [
                brief(product, history, titles.rules(product), constrained=self._constrained)
                for product, history in zip(products, histories, strict=True)
            ],
            seeds=[int(seed) for seed in model_input["seed"]],
            sampling=self._sampling,
            adapter=self._adapter,
        )
        pictures = [
            finished(draft.background, product, shadow=self._generator.casts_shadow)
            for draft, product in zip(drafts, products, strict=True)
        ]
        return pd.DataFrame(
            {
                "title": [draft.title for draft in drafts],
                "picture_png": [base64.b64encode(png_bytes(p)).decode() for p in pictures],
            }
        )


def _products(model_input: pd.DataFrame) -> list[Product]:
    """The product of each row: as it tells it, or as the catalogue has it."""
    rows = model_input.to_dict("records")
    wanted = [row["product_id"] for row in rows if not _told(row, "product_name")]
    known: dict[str, Product] = {}
    if wanted:
        from adloom.loop.catalogue.opening import open_catalogue, open_pictures
        from adloom.loop.settings import load_settings

        settings = load_settings()
        pictures = open_pictures(settings.home, settings.pictures)
        catalogue = open_catalogue(settings.home, None, settings.database, pictures)
        known = {product_id: catalogue[product_id] for product_id in dict.fromkeys(wanted)}
    return [
        _sent_product(row) if _told(row, "product_name") else known[row["product_id"]]
        for row in rows
    ]


def _sent_product(row: dict[Any, Any]) -> Product:
    from adloom.loop.catalogue.pictures.decode import decode_picture
    from adloom.loop.catalogue.product import OnePicture, Product

    content = base64.b64decode(row["cutout"])
    cutout = decode_picture(content, max_bytes=_MAX_CUTOUT_BYTES, max_pixels=_MAX_CUTOUT_PIXELS)
    points = row.get("selling_points")
    return Product(
        product_id=_told(row, "product_id") or "sent",
        name=row["product_name"],
        category=_told(row, "category"),
        selling_points=() if points is None else tuple(points),
        cutout_name="sent",
        pictures=OnePicture(cutout.convert("RGBA")),
    )


def _told(row: dict[Any, Any], column: str) -> str:
    value = row.get(column)
    return value if isinstance(value, str) else ""


def _example_cutout() -> str:
    from adloom.loop.catalogue.pictures.store import png_bytes

    mug = Image.new("RGBA", (96, 96), (0, 0, 0, 0))
    ImageDraw.Draw(mug).rounded_rectangle((16, 8, 80, 92), radius=12, fill=(176, 82, 58, 255))
    return base64.b64encode(png_bytes(mug)).decode()


def _lists(model_input: pd.DataFrame, column: str) -> list[Any]:
    """A column that may be left out, as a whole or in a row."""
    if column not in model_input:
        return [()] * len(model_input)
    return [() if value is None else value for value in model_input[column]]


set_model(RegisteredAdGenerator())
