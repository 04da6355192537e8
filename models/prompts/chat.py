"""The conversation around an instruction, as a tokenizer's chat template has it.

Special tokens of the template become tokens; what is between them is read together with the
instruction, as the template's own text would be, and a special token in a shop's text stays text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerFast

from adloom.models.tokenizer import special_tokens

_SLOT = "\ue000"
"""Stands for the instruction: a private character that no template has."""


@dataclass(frozen=True)
class ChatFrame:
    """What a template puts around a user's text.

    ``before`` and ``after`` are ids from the first special token to the last one on that side, or
    to the end; ``lead`` and ``trail`` the plain text between them and the user's.
    """

    tokenizer: PreTrainedTokenizerFast
    before: tuple[int, ...]
    lead: str
    trail: str
    after: tuple[int, ...]

    def ids(self, text: str) -> list[int]:
        """Token ids of the conversation in which a user says ``text``, up to the answer."""
        said = plain_ids(self.tokenizer, self.lead + text + self.trail)
        return [*self.before, *said, *self.after]


def plain_ids(tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
    """Token ids of a text in which nothing is special: "<eos>" is five characters and no end."""
    return list(tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True))


@lru_cache(maxsize=4)
def chat_frame(tokenizer: PreTrainedTokenizerFast) -> ChatFrame:
    """The frame of a tokenizer, which must not change.

    Raises:
        ValueError: it has no chat template, or none with a place for a user's text.
    """
    before, after = _rendered(tokenizer).split(_SLOT)
    marks = sorted(special_tokens(tokenizer).values(), key=len, reverse=True)
    special = "|".join(map(re.escape, marks))
    *_, last = re.split(special, before)
    first, *_ = re.split(special, after)
    opened = before[: len(before) - len(last)].removeprefix(str(tokenizer.bos_token))
    return ChatFrame(
        tokenizer,
        tuple(tokenizer.encode(opened, add_special_tokens=False)),
        last,
        first,
        tuple(tokenizer.encode(after[len(first) :], add_special_tokens=False)),
    )


def _rendered(tokenizer: PreTrainedTokenizerFast) -> str:
    if not tokenizer.chat_template:
        raise ValueError(
            'the base asks by chat (prompt = "chat"), but its tokenizer has no chat template: '
            'give it one, or set prompt = "plain"'
        )
    # Some templates take a text, others, as Janus-Pro's, a list of parts.
    content: tuple[Any, ...] = (_SLOT, [{"type": "text", "text": _SLOT}])
    for one in content:
        try:
            message = [{"role": "user", "content": one}]
            found = tokenizer.apply_chat_template(
                message, tokenize=False, add_generation_prompt=True
            )
        except (TemplateError, TypeError):
            continue
        if str(found).count(_SLOT) == 1:
            return str(found)
    raise ValueError("the tokenizer's chat template has no place for what a user says")
