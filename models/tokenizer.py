"""Text tokens: a byte-level BPE trained on the shop's own words."""

from collections.abc import Iterable

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

PAD, BOS, EOS, BOI, EOI, IMAGE = (
    "<pad>",
    "<bos>",
    "<eos>",
    "<begin_of_image>",
    "<end_of_image>",
    "<image_placeholder>",
)


def train_tokenizer(texts: Iterable[str], vocab_size: int = 2048) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE on ``texts``; ids 0 to 5 are the special tokens above."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[PAD, BOS, EOS, BOI, EOI, IMAGE],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD, bos_token=BOS, eos_token=EOS
    )


def special_tokens(tokenizer: PreTrainedTokenizerFast) -> dict[int, str]:
    """The special tokens by their ids, those too that no attribute of the tokenizer names."""
    added = tokenizer.added_tokens_decoder.items()
    return {number: token.content for number, token in added if token.special}
