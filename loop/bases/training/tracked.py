"""A training in MLflow as it goes: losses, held-out losses, pictures of held-out products."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from adloom.loop.learning.registry_errors import RegistryRefused, RegistryUnavailable
from adloom.models.ad_generator import AdGenerator
from adloom.models.brief import Example
from adloom.models.compose import compose_ad
from adloom.models.training.learning_curve import LearningCurve

if TYPE_CHECKING:
    from adloom.loop.learning.runs import Runs

RUN = "mlflow_run"
_RUN_ID = re.compile(r"[a-zA-Z0-9][\w-]{0,255}", re.ASCII)  # as MLflow has them
_EVERY_SECONDS = 5.0
_PAUSE_SECONDS = 60.0
_MOST_BYTES = 1024


def training_run(folder: Path) -> str | None:
    """The id of the run that ``folder`` names; None where it names none.

    A folder that was copied names a run of another MLflow.
    """
    try:
        with (folder / RUN).open("rb") as opened:
            named = opened.read(_MOST_BYTES).decode(errors="replace").strip()
    except FileNotFoundError:
        return None
    return named if _RUN_ID.fullmatch(named) else None


class TrackedTraining:
    """Logs to the run that ``folder`` names, or to a new one.

    While MLflow is away training goes on; what it missed is sent once it answers. A run that it
    does not have, since it was deleted or is another's, is replaced by a new one with all so far.
    """

    def __init__(
        self,
        runs: Callable[[], Runs],
        folder: Path,
        params: Mapping[str, object],
        samples: int,
        say: Callable[[str], None],
    ) -> None:
        """``runs`` asks MLflow; ``say`` is told, once, when it cannot be asked."""
        self._runs, self._folder, self._params = runs, folder, params
        self._samples, self._say = samples, say
        self._unsent: dict[str, dict[int, float]] = {"loss": {}, "heldout_loss": {}}
        self._due = 0.0
        self._told = False

    @property
    def run_id(self) -> str | None:
        """MLflow's id of the run; None until MLflow was asked."""
        return training_run(self._folder)

    def go_on(self, curve: LearningCurve) -> None:
        """Send what an earlier process may not have sent of the curve so far."""
        losses, heldout = dict(enumerate(curve.losses, start=1)), dict(curve.heldout)
        if (run := self.run_id) is None:
            self._unsent = {"loss": losses, "heldout_loss": heldout}
            return

        def send() -> None:
            if self._runs().is_there(run):
                self._runs().log_series(run, "loss", losses)
                self._runs().log_series(run, "heldout_loss", heldout)
            else:
                (self._folder / RUN).unlink()
                self._unsent = {"loss": losses, "heldout_loss": heldout}

        self._asked(send)

    def on_step(self, step: int, loss: float) -> None:
        """Note a loss; it is sent with those of the next seconds."""
        self._unsent["loss"][step] = loss
        if time.monotonic() >= self._due:
            self._send()

    def on_look(
        self, curve: LearningCurve, generator: AdGenerator | None, heldout: Sequence[Example]
    ) -> None:
        """Send the held-out loss, and what the base draws by now for some held-out products."""
        step, loss = curve.heldout[-1]
        self._unsent["heldout_loss"][step] = loss
        sent = self._send()
        chosen = heldout[: self._samples]
        if not sent or not chosen or generator is None:
            return
        titles, picture = _drawn(generator, chosen)

        def send() -> None:
            run = self._run()
            self._runs().log_picture(run, picture, f"samples/step-{step:06}.png")
            self._runs().log_dict(run, {"titles": titles}, f"samples/step-{step:06}.json")

        self._asked(send)

    def end(self) -> None:
        """Send the rest and end the run."""
        if self._send():
            self._asked(lambda: self._runs().end(self._run()))

    def _run(self) -> str:
        if (known := self.run_id) is not None:
            return known
        run = self._runs().start("base-train", params=self._params, tags={"kind": "base-train"})
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / RUN).write_text(run)
        return run

    def _send(self) -> bool:
        def send() -> None:
            run = self._run()
            for name, points in self._unsent.items():
                self._runs().add_to_series(run, name, points)
                points.clear()

        self._due = time.monotonic() + _EVERY_SECONDS
        return self._asked(send)

    def _asked(self, send: Callable[[], None]) -> bool:
        from mlflow.exceptions import MlflowException

        try:
            send()
        except (RegistryUnavailable, RegistryRefused, MlflowException) as error:
            self._due = time.monotonic() + _PAUSE_SECONDS
            if not self._told:
                self._say(f"Training goes on without MLflow: {error}")
            self._told = True
            return False
        return True


def _drawn(generator: AdGenerator, chosen: Sequence[Example]) -> tuple[list[str], Image.Image]:
    """Titles, and the finished pictures side by side."""
    briefs = [example.brief for example in chosen]
    drafts = generator.generate(briefs, seeds=range(len(briefs)), adapter=generator.active)
    generator.rest()
    size = generator.model.config.picture_size
    sheet = Image.new("RGB", (size * len(drafts), size))
    for column, (draft, brief) in enumerate(zip(drafts, briefs, strict=True)):
        shadow = generator.casts_shadow
        ad = compose_ad(draft.background, brief.cutout, brief.placement, size=size, shadow=shadow)
        sheet.paste(ad, (column * size, 0))
    return [draft.title for draft in drafts], sheet
