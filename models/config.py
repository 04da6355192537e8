"""Shape of the ad generator around its Janus base."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from transformers import JanusConfig, LlamaConfig
from transformers.models.janus.configuration_janus import JanusVisionConfig, JanusVQVAEConfig

from adloom.models.damaged_base import DamagedBase
from adloom.models.described import Damaged, json_object
from adloom.models.folders import BASE_FILE, not_whole
from adloom.models.sampling import BaseSampling
from adloom.models.titles.fit import TitleWants

CONFIG_FILE = BASE_FILE
Size = Annotated[int, Field(ge=1, le=1 << 14)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]


class AdGeneratorConfig(BaseModel):
    """Sizes of prompt, history and conditioning modules (Uni-AdGen, sections 3.2 to 3.4).

    ``picture_size`` in pixels, ``grid`` is the side of the image-token square,
    ``history_grid`` the side of what is read of a history picture (the paper keeps 64 tokens a
    picture, 8 x 8): ``history_pictures`` says whether the codes of the full picture are pooled to
    it, or are those of the picture shrunk to so many tokens, as in the paper.
    ``history_title_tokens`` the tokens kept of a history title (paper: 30),
    ``keep`` the share of history tokens that pass the selection. ``foreground`` names what
    looks at the cutout: the small encoder, or DINOv2 as in the paper. What it sees is added before
    every ``foreground_every``-th layer, by ``foreground_mlps`` through an MLP that these places
    share or, as in the paper, each place's own. ``product_in_picture`` says what was learnt:
    pictures that hold the product at its place, as PAd1M's do, or plates without it, on which it
    then throws a shadow. ``prompt`` says how the base is asked: by the instruction alone, in
    English, or in the conversation of its tokenizer's chat template and the language of the
    product, as Janus-Pro is. ``sampling`` is how it draws where no settings say otherwise.
    Decoded pictures are shown ``enlarged`` times as large, where the base has learnt to
    (:mod:`adloom.models.enlarger`). ``title_wants`` is what a title has to say of its product: its
    name, its short name where it has one, or one of its words, as where names are long and nobody's
    title has them whole (PAd1M). ``guidance`` says whether a picture is guided by a twin without a
    prompt, or as the base has learnt to (:mod:`adloom.models.guidance`).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    picture_size: Size = 96
    grid: Size = 12
    history_items: Size = 10
    history_grid: Size = 4
    history_pictures: Literal["pooled", "codes"] = "pooled"
    history_title_tokens: Size = 14
    keep: Share = 0.4
    selector_layers: Size = 2
    fusion_layers: Size = 4
    conditioning_heads: Size = 4
    prompt_tokens: Size = 56
    title_tokens: Size = 32
    foreground_every: Size = 2
    foreground: Literal["small", "dinov2"] = "small"
    foreground_mlps: Literal["shared", "each"] = "shared"
    foreground_dropout: Share = 0.1
    condition_dropout: Share = 0.1
    product_in_picture: bool = False
    prompt: Literal["plain", "chat"] = "plain"
    sampling: BaseSampling = BaseSampling()
    enlarged: Literal[1, 2, 4] = 1
    guidance: Literal["twin", "learnt"] = "twin"
    title_wants: TitleWants = "name"

    @property
    def image_tokens(self) -> int:
        """Number of image tokens of one picture."""
        return self.grid * self.grid

    @property
    def history_picture_tokens(self) -> int:
        """Number of tokens that are read of one history picture."""
        return self.history_grid * self.history_grid

    @property
    def history_codes(self) -> int:
        """Number of VQ codes that a history picture comes with."""
        if self.history_pictures == "codes":
            return self.history_picture_tokens
        return self.image_tokens

    @property
    def history_picture_size(self) -> int:
        """Side in pixels of a history picture when its codes are made."""
        if self.history_pictures == "codes":
            return self.picture_size // self.grid * self.history_grid
        return self.picture_size

    def foreground_mlps_of(self, layers: int) -> int:
        """Number of MLPs through which a language model of ``layers`` layers sees the cutout."""
        return 1 if self.foreground_mlps == "shared" else -(-layers // self.foreground_every)

    def save(self, folder: Path) -> None:
        """Write the configuration into ``folder``."""
        (folder / CONFIG_FILE).write_text(self.model_dump_json(indent=2) + "\n")

    @classmethod
    def load(cls, folder: Path) -> AdGeneratorConfig:
        """Read the configuration of a saved generator.

        Raises:
            FileNotFoundError: ``folder`` holds no saved generator.
            DamagedBase: the file is damaged, or says what no generator can be.
        """
        path = folder / CONFIG_FILE
        if not path.is_file():
            raise FileNotFoundError(f"{folder} holds no ad generator: {CONFIG_FILE} is missing")
        try:
            return cls.model_validate(json_object(path))
        except ValidationError as error:
            told = error.errors()[0]
            where = ".".join(map(str, told["loc"]))
            why = f"{CONFIG_FILE} is damaged: {where}: {told['msg']}"
            raise DamagedBase(not_whole(folder, why)) from error
        except Damaged as damage:
            raise DamagedBase(not_whole(folder, str(damage))) from damage


def demo_janus_config(vocab_size: int, config: AdGeneratorConfig) -> JanusConfig:
    """Configuration of the bundled Janus model: 6 layers of width 256, codebook of 1,024."""
    width = 256
    text = LlamaConfig(
        vocab_size=vocab_size,
        hidden_size=width,
        intermediate_size=640,
        num_hidden_layers=6,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=1024,
        initializer_range=0.04,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    vision = JanusVisionConfig(
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=config.picture_size,
        patch_size=config.picture_size // config.grid,
        projection_dim=width,
        mlp_ratio=2,
        depth=1,
        num_image_tokens=config.image_tokens,
    )
    codebook = JanusVQVAEConfig(
        embed_dim=8,
        num_embeddings=1024,
        latent_channels=128,
        # Janus norms over 32 groups: with 32 channels each would lose its mean, and so its colour.
        base_channels=64,
        channel_multiplier=[1, 1, 2, 2],
        num_res_blocks=1,
        num_patches=config.grid,
        projection_dim=width,
        image_token_embed_dim=width,
    )
    return JanusConfig(
        text_config=text.to_dict(),
        vision_config=vision.to_dict(),
        vq_config=codebook.to_dict(),
        image_token_id=5,
    )
