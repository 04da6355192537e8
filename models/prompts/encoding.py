"""A brief's instruction as tokens, within the room that a base has for it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from functools import partial

from transformers import PreTrainedTokenizerFast

from adloom.models.brief import AdBrief
from adloom.models.config import AdGeneratorConfig
from adloom.models.prompts.chat import ChatFrame, chat_frame, plain_ids
from adloom.models.prompts.instructions import instruction, instruction_in

_LONGEST = 2000
"""Characters of a name that are looked at."""


def check_prompt(tokenizer: PreTrainedTokenizerFast, config: AdGeneratorConfig) -> None:
    """Refuse a tokenizer that cannot ask as ``config`` says.

    Raises:
        ValueError: it has no chat template, or one that leaves no room for an instruction.
    """
    if config.prompt == "plain":
        return
    taken = len(chat_frame(tokenizer).ids(""))
    if taken >= config.prompt_tokens:
        raise ValueError(
            f"the chat template takes {taken} of {config.prompt_tokens} tokens of a prompt: "
            "raise prompt_tokens"
        )


def prompt_ids(
    brief: AdBrief, tokenizer: PreTrainedTokenizerFast, config: AdGeneratorConfig
) -> list[int]:
    """Token ids of a brief's instruction, at most ``config.prompt_tokens``.

    What is too long is cut at its end; in a conversation that is the product's name and words,
    never the instruction or the template.
    """
    if config.prompt == "plain":
        return plain_ids(tokenizer, instruction(brief))[: config.prompt_tokens]
    return _chat_ids(brief, chat_frame(tokenizer), config.prompt_tokens)


def _chat_ids(brief: AdBrief, frame: ChatFrame, room: int) -> list[int]:
    """The whole, else a name that leaves half of the room to the words that fit."""
    words, ask = brief.selling_words, partial(instruction_in, brief.language)
    whole = frame.ids(ask(brief.product_name, words))
    if len(whole) <= room:
        return whole
    name = brief.product_name[:_LONGEST]
    free = max(0, room - len(frame.ids(ask("", ()))))
    fits = _within(frame, room - free // 2 if words else room)
    name = name[: _most(len(name), lambda count: fits(ask(name[:count], ())))]
    fits = _within(frame, room)
    text = ask(name, words[: _most(len(words), lambda count: fits(ask(name, words[:count])))])
    # Where an instruction without anything is too long, its end is cut.
    return frame.ids(text[: _most(len(text), lambda count: fits(text[:count]))])


def _within(frame: ChatFrame, room: int) -> Callable[[str], bool]:
    return lambda text: len(frame.ids(text)) <= room


def _most(count: int, fits: Callable[[int], bool]) -> int:
    """The largest number up to ``count`` that fits, 0 where none does."""
    return max(0, bisect_left(range(count + 1), True, key=lambda number: not fits(number)) - 1)
