"""Scene, colours and voice of an ad in the words of marketing, as a shopper sees and reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PIL import Image

from adloom.loop.demo.shop.copywriting import tone_of
from adloom.loop.demo.shop.perception import ScenePerception

SCENE_WORDS: Mapping[str, str] = {
    "studio": "clean studio",
    "podium": "display podium",
    "marble": "marble top",
    "wood": "wooden table",
    "kitchen": "bright kitchen",
    "velvet": "velvet drapes",
    "brick": "brick loft",
    "beach": "beach",
    "forest": "forest",
    "mountains": "mountains",
    "desert": "desert",
    "meadow": "meadow",
    "starlight": "starry night",
    "neon_city": "neon city",
    "bokeh": "evening lights",
    "vaporwave": "vaporwave",
}
PALETTE_WORDS: Mapping[str, str] = {
    "warm": "warm colours",
    "cool": "cool blues",
    "pastel": "soft pastels",
    "noir": "black and white",
    "vivid": "vivid colours",
    "earth": "earthy tones",
}
TONE_WORDS: Mapping[str, str] = {
    "playful": "playful voice",
    "luxury": "luxury voice",
    "minimal": "plain voice",
    "eco": "mindful voice",
    "bargain": "bargain voice",
    "tech": "tech voice",
    "hype": "hype voice",
}


@dataclass(frozen=True)
class LookWords:
    """What an ad looks and sounds like; ``voice`` is "" where the title does not tell."""

    scene: str
    colours: str
    voice: str

    @property
    def traits(self) -> tuple[str, ...]:
        """All that is known."""
        return tuple(word for word in (self.scene, self.colours, self.voice) if word)

    def shared(self, other: LookWords) -> tuple[str, ...]:
        """What both have."""
        return tuple(word for word in self.traits if word in other.traits)


def looks_of(
    pictures: Sequence[Image.Image], titles: Sequence[str], perception: ScenePerception
) -> list[LookWords]:
    """Of each picture with its title."""
    return [
        LookWords(
            SCENE_WORDS[sight.scene],
            PALETTE_WORDS[sight.palette],
            TONE_WORDS.get(tone_of(title) or "", ""),
        )
        for sight, title in zip(perception.see(pictures), titles, strict=True)
    ]
