"""How a base is asked: in the conversation and the language that it knows, within its room."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import JanusForConditionalGeneration, PreTrainedTokenizerFast

from adloom.models.batching import batch_briefs
from adloom.models.brief import AdBrief
from adloom.models.config import AdGeneratorConfig
from adloom.models.engine.job import words_of_titles
from adloom.models.generator import AdModel
from adloom.models.janus_pro import load_janus
from adloom.models.prompts.encoding import prompt_ids
from tests.models.public_janus import CHAT_TEMPLATE, janus_tokenizer, public_checkpoint
from tests.tiny_model import TINY, brief, products, tiny_model

CHAT = AdGeneratorConfig(prompt="chat", prompt_tokens=128)
ASK = replace(brief(products()[0], 0), product_name="紫砂 Cup", selling_words=("手工", "light"))


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return janus_tokenizer()


def asked(tokenizer: PreTrainedTokenizerFast, ask: AdBrief) -> str:
    return str(tokenizer.decode(prompt_ids(ask, tokenizer, CHAT)))


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Write a title for 紫砂 Cup using 手工, light"),
        ("zh-CN", "请用手工、light为紫砂 Cup写一个标题"),
        ("ja", "手工、lightを使って、紫砂 Cupのタイトルを書いてください"),
        ("de", "Schreibe einen Titel für 紫砂 Cup und verwende 手工, light"),
        ("fr-CA", "Écris un titre pour 紫砂 Cup en utilisant 手工, light"),
        ("es", "Escribe un título para 紫砂 Cup usando 手工, light"),
        ("sv", "Write a title for 紫砂 Cup using 手工, light"),
        ("", "Write a title for 紫砂 Cup using 手工, light"),
    ],
)
def test_a_base_is_asked_by_its_chat_template_in_the_language_of_the_product(
    tokenizer: PreTrainedTokenizerFast, language: str, text: str
) -> None:
    ask = replace(ASK, language=language)
    assert asked(tokenizer, ask) == f"<|User|>: {text}\n\n<|Assistant|>:"
    message: list[Any] = [{"role": "user", "content": [{"type": "text", "text": text}]}]
    whole = tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True)
    # Token by token as the template's own text is read.
    assert prompt_ids(ask, tokenizer, CHAT) == tokenizer.encode(whole, add_special_tokens=False)
    batch = batch_briefs([ask], tokenizer, CHAT)
    assert batch.prompt[0].tolist() == prompt_ids(ask, tokenizer, CHAT)


def test_a_template_that_takes_a_text_and_opens_with_bos_gives_no_second_bos() -> None:
    tokenizer = janus_tokenizer()
    tokenizer.chat_template = (
        "{{ bos_token }}{% for m in messages %}<|User|>{{ m['content'] + eos_token }}{% endfor %}"
        "{% if add_generation_prompt %}<|Assistant|>{% endif %}"
    )
    ids = prompt_ids(replace(ASK, selling_words=()), tokenizer, CHAT)
    end = tokenizer.eos_token
    assert tokenizer.decode(ids) == f"<|User|>Write a title for 紫砂 Cup{end}<|Assistant|>"
    assert tokenizer.bos_token_id not in ids


def test_special_tokens_in_a_shops_text_stay_text(tokenizer: PreTrainedTokenizerFast) -> None:
    marks = f"<|Assistant|>{tokenizer.eos_token}"
    ids = prompt_ids(replace(ASK, product_name=marks, selling_words=(marks,)), tokenizer, CHAT)
    user, assistant = (tokenizer.get_vocab()[mark] for mark in ("<|User|>", "<|Assistant|>"))
    assert ids[0] == user
    assert (ids.count(user), ids.count(assistant)) == (1, 1)
    assert tokenizer.eos_token_id not in ids
    assert tokenizer.decode(ids).count(marks) == 2


@pytest.mark.parametrize("language", ["zh", "ja", "en"])
@pytest.mark.parametrize("words", [(), ("手工",), ("手工制作",) * 40, ("长" * 500,)])
def test_name_and_words_are_cut_never_the_instruction_or_the_template(
    tokenizer: PreTrainedTokenizerFast, language: str, words: tuple[str, ...]
) -> None:
    room = CHAT.prompt_tokens
    for name in ("宜兴紫砂壶" * 600, "Cup"):
        ask = replace(ASK, product_name=name, selling_words=words, language=language)
        ids = prompt_ids(ask, tokenizer, CHAT)
        assert len(ids) <= room
        text = str(tokenizer.decode(ids))
        assert text.startswith("<|User|>: ")
        assert text.endswith("\n\n<|Assistant|>:")
        asking = {"zh": "写一个标题", "ja": "のタイトルを書いてください", "en": "Write a title"}
        assert asking[language] in text
        assert name[:2] in text
        if "手工" in words:
            assert "手工" in text


def test_the_bundled_base_is_asked_as_ever() -> None:
    tokenizer = tiny_model().tokenizer
    ask = replace(ASK, language="zh")
    assert TINY.prompt == "plain"
    ids = tokenizer.encode("Write a title for 紫砂 Cup using 手工, light")
    assert prompt_ids(ask, tokenizer, TINY) == ids[: TINY.prompt_tokens]


def test_chat_without_a_template_is_refused_before_a_weight_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = tiny_model()
    with pytest.raises(ValueError, match="its tokenizer has no chat template") as refused:
        AdModel(tiny.janus, tiny.tokenizer, TINY.model_copy(update={"prompt": "chat"}))
    assert "\n" not in str(refused.value)
    public_checkpoint(tmp_path)
    (tmp_path / "chat_template.jinja").unlink()
    monkeypatch.setattr(
        JanusForConditionalGeneration, "__init__", lambda *_: pytest.fail("weights were made")
    )
    with pytest.raises(ValueError, match="no chat template"):
        load_janus(tmp_path, dinov2=None)
    narrow = TINY.model_copy(update={"prompt": "chat", "prompt_tokens": 5})
    with pytest.raises(ValueError, match=r"takes \d+ of 5 tokens"):
        AdModel(tiny.janus, janus_tokenizer(), narrow)


def test_a_processors_template_is_read_and_kept_with_the_base(tmp_path: Path) -> None:
    public_checkpoint(tmp_path)
    (tmp_path / "chat_template.jinja").unlink()
    (tmp_path / "chat_template.json").write_text(json.dumps({"chat_template": CHAT_TEMPLATE}))
    load_janus(tmp_path, dinov2=None, dtype=torch.float32).save_pretrained(tmp_path / "base")
    base = AdModel.from_pretrained(tmp_path / "base")
    assert base.config.prompt == "chat"
    assert asked(base.tokenizer, ASK).endswith("<|Assistant|>:")
    speakers = {base.tokenizer.get_vocab()[mark] for mark in ("<|User|>", "<|Assistant|>")}
    assert not speakers & set(words_of_titles(base).tolist())
