"""How much a pretraining run does, and in which order things are learnt."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Lesson:
    """What the examples of a part of the training are like.

    Attributes:
        until: share of the steps at which the part ends.
        history_lengths: lengths of histories, one drawn for each step.
        keep: share of history tokens that pass the fine stage; ``None``: as configured.
        blind: share of the examples whose tokens are all predicted after random ones, so that
            nothing but history and product can tell. Half of the others are in part.
        stray_clicks: most of a history that was clicked at random.
        of_crowds: share of the examples that are of people of crowds.
        follow: share of these whose ad is in the look of what is read first: who orders a history
            has weighed its clicks already, and what is left to learn is to draw what comes first.
    """

    until: float
    history_lengths: tuple[int, ...]
    keep: float | None
    blind: float
    stray_clicks: float
    of_crowds: float = 0.0
    follow: float = 0.0


LESSONS = (
    Lesson(until=0.15, history_lengths=(1, 2, 4), keep=1.0, blind=0.5, stray_clicks=0.1),
    Lesson(
        until=1.0,
        history_lengths=(2, 4, 7, 10),
        keep=None,
        blind=0.15,
        stray_clicks=0.5,
        of_crowds=0.5,
    ),
)
"""First what a history is for, from short and clear ones; then all of the method.

After clean context only the first tokens of title and picture hang on the history, and a model
that learns from nothing takes long to look there at all.
"""


@dataclass(frozen=True)
class PretrainPlan:
    """Size of a pretraining run; the defaults are those of the committed weights.

    ``generator_batch`` examples are drawn a step in each process; the committed weights come from
    two. There are ``shoppers`` people in each of the ``crowds``.
    """

    variants: int = 48
    codebook_steps: int = 4500
    codebook_warm_up: int = 600
    codebook_batch: int = 4
    codebook_rate: float = 4e-4
    generator_steps: int = 3000
    generator_batch: int = 8
    generator_rate: float = 2e-3
    decoder_steps: int = 6000
    decoder_rate: float = 6e-4
    enlarger_steps: int = 3000
    enlarger_rate: float = 5e-4
    enlarged_decoder_rate: float = 5e-4
    enlarger_critic_alone: int = 150
    checkpoint_every: int = 100
    seed: int = 0
    crowds: int = 32
    shoppers: int = 100
    lessons: tuple[Lesson, ...] = LESSONS

    def lesson(self, step: int) -> Lesson:
        """The part of the training that ``step`` (from 1) is in."""
        return next(k for k in self.lessons if step <= k.until * self.generator_steps)


def going_on(steps: int) -> PretrainPlan:
    """A run that goes on from a base: its generator learns for ``steps`` more.

    Much of it is blind: how to draw is learnt, what is to be learnt is to read. The batch is
    large, since people of crowds are hard to read and a small one is mostly chance.
    """
    lesson = Lesson(
        until=1.0,
        history_lengths=(7, 10, 10),
        keep=None,
        blind=0.3,
        stray_clicks=0.5,
        of_crowds=0.65,
        follow=1.0,
    )
    return PretrainPlan(
        generator_steps=steps,
        generator_batch=24,
        generator_rate=1e-3,
        checkpoint_every=50,
        seed=1,
        crowds=64,
        lessons=(lesson,),
    )


def guiding(steps: int) -> PretrainPlan:
    """A run in which a base learns, for ``steps``, to be guided without a twin."""
    lesson = Lesson(
        until=1.0,
        history_lengths=(2, 4, 7, 10),
        keep=None,
        blind=0.1,
        stray_clicks=0.5,
        of_crowds=0.5,
        follow=1.0,
    )
    return PretrainPlan(
        generator_steps=steps,
        generator_batch=16,
        generator_rate=2e-4,
        checkpoint_every=50,
        seed=1,
        crowds=64,
        lessons=(lesson,),
    )


def sharpening(steps: int) -> PretrainPlan:
    """A run that goes on from a base, whose decoder and enlarger learn for ``steps``."""
    return PretrainPlan(decoder_steps=steps, enlarger_steps=steps, seed=1)
