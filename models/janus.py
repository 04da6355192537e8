"""Janus as `transformers` has it, with a VQ model that stays in float32."""

from __future__ import annotations

import transformers


class JanusForConditionalGeneration(transformers.JanusForConditionalGeneration):
    """Loaded in half precision, its codes of a picture are still those of the full one.

    In bfloat16 more than half of the demo model's codes of a picture are others. The name is that
    of the parent, for it is written into what is saved.
    """

    _keep_in_fp32_modules_strict = ["vqmodel"]  # noqa: RUF012
