"""Photos of the products: grounds as shops use them, in every kind of file that shops have.

Half of the things are drawn here, the others are cutouts of the demo shop in other colours.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from PIL import Image, ImageFilter

import adloom.loop.demo.shop
from tests.shops.maker import cookware, tableware
from tests.shops.maker.picture_files import BROKEN, save_photo
from tests.shops.maker.scenes import scene, stand
from tests.shops.maker.shading import Drawing

_CUTOUTS = Path(adloom.loop.demo.shop.__file__).parent / "cutouts"
_SIDE = 360
_COBALT = (52, 92, 158)

GroundKind = Literal["white", "grey", "none", "scene"]


class Photo(NamedTuple):
    """How the picture of a product is made.

    Attributes:
        thing: what draws it, or the demo's cutout and the turn of its hue, 0..1.
        ground: what it stands on; "none" has transparency.
    """

    thing: Callable[[], Drawing] | tuple[str, float]
    ground: GroundKind


PHOTOS: dict[str, Photo] = {
    "muehlen-duo.jpg": Photo(cookware.mills, "white"),
    "topf-klassik.jpg": Photo(lambda: cookware.pot((178, 48, 42)), "grey"),
    "kaesereibe.png": Photo(cookware.grater, "grey"),
    "messerblock.jpg": Photo(cookware.knife_block, "white"),
    "oel-essig.webp": Photo(cookware.cruets, "none"),
    "tasse-spass.jpg": Photo(lambda: tableware.mug(_COBALT, (240, 236, 226)), "white"),
    "matcha-chawan.jpg": Photo(
        lambda: tableware.tea_bowl((62, 56, 54), (228, 230, 226), (120, 160, 70)), "grey"
    ),
    "kyusu.jpg": Photo(lambda: tableware.side_handle_teapot((150, 78, 52)), "white"),
    "bento.png": Photo(lambda: tableware.bento((62, 40, 44), (196, 40, 48)), "none"),
    "wasserkocher.jpg": Photo(lambda: cookware.kettle((122, 170, 164)), "white"),
    "schneidebrett.tiff": Photo(cookware.board, "white"),
    "nudelholz.jpg": Photo(cookware.rolling_pin, "grey"),
    "schneebesen.webp": Photo(lambda: cookware.whisk((60, 120, 130)), "none"),
    "thermosflasche.jpg": Photo(lambda: cookware.flask((62, 92, 78)), "grey"),
    "vorratsdose.jpg": Photo(cookware.storage_jar, "grey"),
    "schuesseln.jpg": Photo(
        lambda: tableware.nested_bowls(((60, 130, 140), (236, 180, 80), (226, 110, 90))), "white"
    ),
    "tischleuchte.jpg": Photo(lambda: tableware.lamp((236, 196, 132), (96, 78, 52)), "white"),
    "geschirrtuecher.png": Photo(lambda: tableware.towel((232, 226, 208), _COBALT), "none"),
    "essteller.jpg": Photo(lambda: tableware.plate((246, 246, 248), _COBALT), "white"),
    "espressokocher.jpg": Photo(tableware.espresso_maker, "grey"),
    "hashi.jpg": Photo(lambda: tableware.chopsticks((110, 60, 40), (190, 40, 40)), "white"),
    "sake.webp": Photo(lambda: tableware.sake_set((70, 100, 140)), "none"),
    "chazutsu.jpg": Photo(lambda: tableware.tea_caddy((236, 232, 220), (44, 66, 120)), "grey"),
    "teapot-rot.jpg": Photo(("ceramic-teapot", 0.02), "white"),
    "chochin.jpg": Photo(("paper-lantern", 0.0), "grey"),
    "bratpfanne.jpg": Photo(("frying-pan", 0.0), "white"),
    "kochmesser.jpg": Photo(("kitchen-knife", 0.04), "grey"),
    "ruehrschuessel.png": Photo(("mixing-bowl", 0.42), "none"),
    "wecker.jpg": Photo(("alarm-clock", 0.58), "grey"),
    "kraeutertopf.jpg": Photo(("potted-plant", 0.0), "white"),
    "honigtopf.webp": Photo(("honey-pot", 0.95), "none"),
    "kerze.jpg": Photo(("wax-candle", 0.02), "grey"),
    "stuhl.jpg": Photo(("wooden-chair", 0.06), "white"),
    "bodenvase.jpg": Photo(("clay-vase", 0.97), "white"),
    "seife.jpg": Photo(("bath-soap", 0.90), "grey"),
    "tasse-rosa.jpg": Photo(("coffee-mug", 0.25), "white"),
    "kaminuhr.jpg": Photo(("mantel-clock", 0.0), "grey"),
    "topf-petrol-szene.jpg": Photo(lambda: cookware.pot((40, 112, 124)), "scene"),
    "fruehstueck-szene.jpg": Photo(("dinner-set", 0.0), "scene"),
}


def cutout(name: str) -> Image.Image:
    """The thing of a photo alone, RGBA."""
    thing = PHOTOS[name].thing
    if not isinstance(thing, tuple):
        return thing().picture()
    file, turn = thing
    picture = Image.open(_CUTOUTS / f"{file}.webp").convert("RGBA")
    return _turn_hue(picture, turn).crop(picture.getchannel("A").getbbox())


def make_photos(folder: Path) -> dict[str, Image.Image]:
    """Writes all photos of products, the broken one too; returns the cutouts by name."""
    cutouts = {name: cutout(name) for name in PHOTOS}
    for number, (name, photo) in enumerate(PHOTOS.items()):
        save_photo(_on_ground(cutouts[name], photo.ground, seed=number), folder / name)
    (folder / BROKEN).write_bytes((folder / "kyusu.jpg").read_bytes()[:2500])
    return cutouts


def _turn_hue(picture: Image.Image, turn: float) -> Image.Image:
    hue, saturation, value = picture.convert("RGB").convert("HSV").split()
    turned = hue.point(lambda old: int(old + 256 * turn) % 256)
    done = Image.merge("HSV", (turned, saturation, value)).convert("RGB")
    done.putalpha(picture.getchannel("A"))
    return done


def _on_ground(thing: Image.Image, ground: GroundKind, seed: int) -> Image.Image:
    if ground == "none":
        return thing
    if ground == "scene":
        return stand(thing, scene("garten", "meer", seed).resize((_SIDE, _SIDE)), share=0.7)
    frame = Image.new("RGB", (_SIDE, _SIDE), "white")
    if ground == "grey":
        steps = np.linspace(-1, 1, _SIDE)
        away = np.hypot(*np.meshgrid(steps, steps))
        light = (238 - 9 * away).round().astype(np.uint8)
        frame = Image.fromarray(light).convert("RGB")
    scale = 0.78 * _SIDE / max(thing.size)
    size = (round(thing.width * scale), round(thing.height * scale))
    large = thing.convert("RGBa").resize(size, Image.Resampling.LANCZOS).convert("RGBA")
    left, top = (_SIDE - size[0]) // 2, (_SIDE - size[1]) // 2
    if ground == "grey":
        shadow = Image.new("L", frame.size)
        flat = large.getchannel("A").resize((size[0], max(1, size[1] // 7)))
        shadow.paste(flat, (left, top + size[1] - flat.height // 2))
        shadow = shadow.filter(ImageFilter.GaussianBlur(9)).point(lambda value: value // 4)
        frame = Image.composite(Image.new("RGB", frame.size, (70, 70, 76)), frame, shadow)
    frame.paste(large, (left, top), large)
    return frame
