"""What may be shown: the product seen and whole, the title valid, nothing like what was banned."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image

from adloom.loop.catalogue.creatives.fingerprint import Fingerprint, fingerprint
from adloom.loop.catalogue.product import OnePicture, Product
from adloom.loop.demo.shop.creatives import SeedCreative, seed_creatives
from adloom.loop.inspection.inspect import Said, Verdict, inspect
from adloom.loop.settings.review import ReviewSettings
from adloom.models.compose import compose_ad
from adloom.models.placement import Placement
from adloom.models.titles.rules import TitleRules

NAME = "Tin Mug"
NOTHING: Fingerprint = np.empty((0, 256, 3), np.int8)


def mug(colour: str = "red", placement: Placement | None = None) -> Product:
    cutout = Image.new("RGBA", (120, 160), colour)
    return Product(
        "mug", NAME, cutout_name="cutout", placement=placement, pictures=OnePicture(cutout)
    )


def ground(colour: str) -> Image.Image:
    return Image.new("RGB", (128, 128), colour)


def looked_at(
    product: Product,
    background: Image.Image,
    title: str = "Tin Mug: for the trail",
    rules: TitleRules | None = None,
    banned: Sequence[Image.Image] = (),
    *,
    own_words: bool = False,
    **settings: object,
) -> Verdict:
    picture = compose_ad(background, product.cutout(), product.placement)
    said = Said(title, NAME, ("for the trail",), own_words=own_words)
    looks = np.stack([fingerprint(one) for one in banned]) if banned else NOTHING
    given = ReviewSettings.model_validate(settings)
    return inspect(picture, product, said, rules or TitleRules(), looks, given)


def faults(verdict: Verdict) -> set[str]:
    return {one.fault for one in verdict.objections}


def test_a_product_that_stands_out_may_be_shown() -> None:
    assert looked_at(mug("red"), ground("#d8e4ea")) == Verdict("approved")


@pytest.mark.parametrize(("product", "behind"), [("#c8c8c8", "#cacaca"), ("#203040", "#213141")])
def test_a_product_in_the_colour_of_its_ground_waits_for_a_person(
    product: str, behind: str
) -> None:
    verdict = looked_at(mug(product), ground(behind))
    assert verdict.state == "draft"
    assert faults(verdict) == {"hidden", "contrast"}
    assert "the product is hardly seen" in verdict.reasons[0]
    assert verdict.another_may_pass


def test_floors_are_set() -> None:
    like_it = mug("#c8c8c8"), ground("#cacaca")
    assert looked_at(*like_it, least_visible=0, least_contrast=0).state == "approved"
    assert faults(looked_at(mug("gray"), ground("white"), least_contrast=100)) == {"contrast"}


def test_a_product_that_is_cut_waits_and_no_other_drawing_helps() -> None:
    beyond = Placement(centre=0.95, bottom=0.8, width=0.4, height=0.5)
    verdict = looked_at(mug("red", beyond), ground("white"))
    assert faults(verdict) == {"cut"}
    assert not verdict.another_may_pass
    inside = Placement(centre=0.8, bottom=1.0, width=0.4, height=0.5)
    assert looked_at(mug("red", inside), ground("white")).state == "approved"


def shown_again(seed: SeedCreative, picture: Image.Image, banned: Image.Image) -> set[str]:
    said = Said(seed.title, seed.product.name, seed.product.selling_points)
    looks = np.stack([fingerprint(banned)])
    return faults(inspect(picture, seed.product, said, TitleRules(), looks, ReviewSettings())) & {
        "duplicate"
    }


def test_what_looks_like_a_banned_ad_waits_and_another_scene_does_not() -> None:
    ads = seed_creatives(16, seed=3)
    first = ads[0]
    buffer = io.BytesIO()
    first.picture().resize((400, 400)).save(buffer, "WEBP", quality=60)
    banned = Image.open(buffer)
    assert shown_again(first, first.picture(), banned) == {"duplicate"}
    others = [compose_ad(ad.background(), first.product.cutout()) for ad in ads[1:]]
    same_look = [
        ad.look.scene == first.look.scene and ad.look.palette == first.look.palette
        for ad in ads[1:]
    ]
    for other, same in zip(others, same_look, strict=True):
        assert same or not shown_again(first, other, banned)


def test_no_ad_of_a_whole_shop_waits() -> None:
    """The demo shop's own ads, products and scenes in turn."""
    waiting = []
    for ad in seed_creatives(40, seed=1):
        said = Said(ad.title, ad.product.name, ad.product.selling_points)
        verdict = inspect(ad.picture(), ad.product, said, TitleRules(), NOTHING, ReviewSettings())
        if faults(verdict) - {"title"}:
            waiting.append((ad.product.product_id, verdict.reasons))
    assert not waiting


def test_a_title_says_its_product_and_no_banned_word() -> None:
    rules = TitleRules(banned=("cheap", "tin"))

    def titled(title: str) -> Verdict:
        return looked_at(mug(), ground("white"), title, rules)

    assert titled("Tin Mug: for the trail").state == "approved"  # its own name has the word
    banned = titled("Tin Mug: Cheap, for the trail")
    assert banned.reasons == ("the title says 'cheap', which is banned",)
    assert faults(titled("For the trail")) == {"title"}
    assert faults(titled(" ")) == {"title"}


def test_of_the_shops_own_words_only_what_is_banned_matters() -> None:
    twice = "Tin Mug: so so good"
    assert faults(looked_at(mug(), ground("white"), twice)) == {"title"}
    assert looked_at(mug(), ground("white"), twice, own_words=True).state == "approved"
    rules = TitleRules(banned=("good",))
    assert faults(looked_at(mug(), ground("white"), twice, rules, own_words=True)) == {"title"}


def test_what_people_have_to_approve_waits_without_a_fault() -> None:
    verdict = looked_at(mug("red"), ground("white"), required=True)
    assert verdict == Verdict("draft")
    assert not verdict.another_may_pass


def test_a_product_shown_whole_is_shown_as_its_shop_shows_it() -> None:
    whole = Image.new("RGB", (300, 200), "white")
    product = Product("mug", NAME, picture_name="whole", pictures=OnePicture(whole))
    said = Said("Tin Mug: for the trail", NAME, ("for the trail",))
    looks = np.stack([fingerprint(whole)])
    verdict = inspect(whole, product, said, TitleRules(), looks, ReviewSettings())
    assert verdict == Verdict("approved")
