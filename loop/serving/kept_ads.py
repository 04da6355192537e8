"""Finished ads on their way into the creative store: they are looked at first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from PIL import Image

from adloom.loop.catalogue.creatives.reviewing import note
from adloom.loop.catalogue.creatives.store import Creative, CreativeStore
from adloom.loop.catalogue.product import Product
from adloom.loop.inspection.inspect import Said, Verdict
from adloom.loop.inspection.inspection import Inspection
from adloom.loop.serving.metrics import ADS_HELD
from adloom.loop.serving.random_ids import IDS

_INSPECTION = "inspection"


class NotShown(RuntimeError):
    """What was drawn may not be shown: it waits until a person decides.

    Attributes:
        creative: the ad as it is stored, a draft or banned.
        reasons: of inspection; none where people look at every ad.
    """

    def __init__(self, creative: Creative, reasons: Sequence[str]) -> None:
        self.creative = creative
        self.reasons = tuple(reasons)
        otherwise = "it was banned" if creative.state == "banned" else "a person has to approve it"
        why = "; ".join(self.reasons) or otherwise
        super().__init__(f"the ad of {creative.product_id!r} may not be shown: {why}")


class AdKeeper:
    """Inspects and stores; for several threads at once."""

    def __init__(self, creatives: CreativeStore, inspection: Inspection) -> None:
        self._creatives = creatives
        self._inspection = inspection

    def keep(
        self,
        creative: Creative,
        picture: Image.Image,
        product: Product,
        *,
        named: str | None,
        said: Said,
        last: bool,
    ) -> tuple[Creative, Verdict]:
        """The ad as it is stored, and what inspection says of it.

        Args:
            named: the ad id of a request that may come again, which gets what has it first; a
                draft in whose place another is drawn has an id of its own.
            said: the title.
            last: no other is drawn in its place.
        """
        verdict = self._inspection.of(picture, product, said)
        stored = replace(
            creative, picture=self._creatives.put_picture(picture), state=verdict.state
        )
        held = verdict.state != "approved"
        if held and verdict.another_may_pass and not last:
            named = None
            stored = replace(stored, ad_id=str(IDS.new()))
        noted = partial(
            note,
            ad_id=stored.ad_id,
            state=stored.state,
            reasons=verdict.reasons,
            by=_INSPECTION,
        )
        self._creatives.add_one(stored, noted if verdict.objections else None)
        faults: set[str] = {one.fault for one in verdict.objections}
        for fault in faults or ({"review"} if held else ()):
            ADS_HELD.labels(fault).inc()
        if named is not None:
            # What was drawn for it before, here or elsewhere, stays; it may just have been erased.
            stored = self._creatives.get_many([named]).get(named, stored)
        return stored, verdict
