"""What a demo run has done, and its summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from loop.ads import Ad
from loop.train_round import RoundOutcome


@dataclass(frozen=True)
class Shown:
    """A served ad, its file, and whether its shopper clicked."""

    ad: Ad
    round_number: int
    file: str
    clicked: bool


@dataclass
class DemoRun:
    """What a demo run has done so far."""

    shown: list[Shown] = field(default_factory=list)
    warm_up: tuple[int, int] = (0, 0)
    outcomes: list[RoundOutcome] = field(default_factory=list)
    produced: int = 0
    consumed: int = 0
    dead_letters: Counter[str] = field(default_factory=Counter)
    features_written: int = 0
    seconds: float = 0.0

    def summary(self) -> dict[str, object]:
        """The content of `summary.json`."""
        by_round = [[s for s in self.shown if s.round_number == n] for n in self._rounds()]
        by_version: dict[str, list[Shown]] = {}
        for shown in self.shown:
            by_version.setdefault(f"version-{shown.ad.creative.version}", []).append(shown)
        return {
            "events_produced": self.produced,
            "events_consumed": self.consumed,
            "dead_letters": sum(self.dead_letters.values()),
            "dead_letters_by_reason": dict(self.dead_letters),
            "features_written": self.features_written,
            "ads_served": len(self.shown),
            "clicks": sum(s.clicked for s in self.shown),
            "rounds": [
                {
                    "version": o.version,
                    "train_clicks": o.train_clicks,
                    "heldout_clicks": o.heldout_clicks,
                    "heldout_loss_before": o.heldout_before,
                    "heldout_loss_after": o.heldout_after,
                    "promoted": o.passed,
                    "seconds": round(o.seconds, 1),
                }
                for o in self.outcomes
            ],
            "ctr_by_round": [_rate(shown) for shown in by_round],
            "ctr_by_variant": {name: _rate(shown) for name, shown in by_version.items()},
            "seconds": round(self.seconds, 1),
        }

    def _rounds(self) -> list[int]:
        return sorted({s.round_number for s in self.shown})


def _rate(shown: Sequence[Shown]) -> float:
    return sum(s.clicked for s in shown) / len(shown) if shown else 0.0
