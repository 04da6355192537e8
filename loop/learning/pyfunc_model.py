"""The registered model as MLflow runs it: a table of requests in, titles and pictures out.

This file is logged with each version ("models from code"), so a version is this text, an adapter in
safetensors and a few settings: nothing is pickled. `mlflow models predict` and `mlflow models
serve` run it where adloom is installed.

Input columns: `user_id`, `product_id` (text), `seed` (integer), `history_titles` (list of text)
and `history_codes` (list of lists of VQ codes): the ads this shopper clicked, nearest to the
product first, at most ten; both lists empty, or left out, ask for an unpersonalised ad. Output
columns: `title` and `picture_png` (base64 of the finished PNG).
"""

from __future__ import annotations

import base64
import json
import shutil
import tempfile
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

if TYPE_CHECKING:
    from adloom.models.ad_generator import AdGenerator

ADAPTER_PATH = "artifacts/adapter"
_ADAPTER_NAME = "version"

SIGNATURE = ModelSignature(
    inputs=Schema(
        [
            ColSpec(DataType.string, "user_id"),
            ColSpec(DataType.string, "product_id"),
            ColSpec(DataType.long, "seed"),
            ColSpec(Array(DataType.string), "history_titles", required=False),
            ColSpec(Array(Array(DataType.long)), "history_codes", required=False),
        ]
    ),
    outputs=Schema([ColSpec(DataType.string, "title"), ColSpec(DataType.string, "picture_png")]),
)


def log(run_id: str, adapter: Path | None, model_config: Mapping[str, Any]) -> str:
    """Logs a version's model in a run and returns its model URI.

    Args:
        run_id: an MLflow run of the process's tracking server.
        adapter: the adapter's folder; None for the base model alone.
        model_config: `base` (folder of the base model, None = the bundled one), `sampling`
            (fields of `adloom.models.sampling.Sampling`) and `example_product` (for the input
            example).
    """
    # MLflow tries the example on the logged model, so a version is seen to serve.
    example = pd.DataFrame(
        {
            "user_id": ["a new shopper"],
            "product_id": [model_config["example_product"]],
            "seed": [0],
            "history_titles": [[]],
            "history_codes": [[]],
        }
    )
    with tempfile.TemporaryDirectory() as scratch, mlflow.start_run(run_id=run_id):
        note = Path(scratch) / "adloom.json"
        note.write_text(json.dumps(dict(model_config), indent=2))
        artifacts = {"settings": str(note)}
        if adapter is not None:
            # MLflow keeps a folder's own name, and ADAPTER_PATH must hold for every version.
            artifacts["adapter"] = str(shutil.copytree(adapter, Path(scratch) / "adapter"))
        info = mlflow.pyfunc.log_model(
            name="ad-generator",
            python_model=__file__,
            artifacts=artifacts,
            signature=SIGNATURE,
            input_example=example,
            pip_requirements=["adloom"],
        )
    return str(info.model_uri)


class RegisteredAdGenerator(PythonModel):
    """A version of the ad generator behind MLflow's own interface."""

    def load_context(self, context: PythonModelContext) -> None:
        from transformers.utils.logging import disable_progress_bar

        from adloom.models.ad_generator import AdGenerator
        from adloom.models.sampling import Sampling

        disable_progress_bar()
        self._config = json.loads(Path(context.artifacts["settings"]).read_text())
        self._sampling = Sampling(**self._config["sampling"])
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
        """Raises UnknownProduct for a product that the shop does not have."""
        from adloom.loop.catalogue.creatives import png_bytes
        from adloom.loop.demo.shop.catalog import load_catalog
        from adloom.models.brief import AdBrief, HistoryAd
        from adloom.models.compose import compose_ad

        catalog = load_catalog()
        products = [catalog[product_id] for product_id in model_input["product_id"]]
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
                AdBrief(
                    product.name,
                    product.selling_points,
                    product.cutout(),
                    history,
                    product.category,
                )
                for product, history in zip(products, histories, strict=True)
            ],
            seeds=[int(seed) for seed in model_input["seed"]],
            sampling=self._sampling,
            adapter=self._adapter,
        )
        pictures = [
            compose_ad(draft.background, product.cutout())
            for draft, product in zip(drafts, products, strict=True)
        ]
        return pd.DataFrame(
            {
                "title": [draft.title for draft in drafts],
                "picture_png": [base64.b64encode(png_bytes(p)).decode() for p in pictures],
            }
        )


def _lists(model_input: pd.DataFrame, column: str) -> list[Any]:
    """A column that may be left out, as a whole or in a row."""
    if column not in model_input:
        return [()] * len(model_input)
    return [() if value is None else value for value in model_input[column]]


set_model(RegisteredAdGenerator())
