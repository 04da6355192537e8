"""The decoder gets sharper; what a picture's codes are does not move."""

from __future__ import annotations

import torch

from adloom.models import codebook
from adloom.models.training.codebook import reconstruction_loss
from adloom.models.training.decoder import DecoderTrainer
from tests.tiny_model import tiny_model


def test_training_the_decoder_leaves_codes_alone_and_fits_pictures_better() -> None:
    torch.manual_seed(0)
    vq = tiny_model().janus.model.vqmodel
    colours = torch.rand(6, 3, 1, 1) * 2 - 1
    pixels = colours.expand(6, 3, 32, 32).contiguous()
    codes = codebook.encode(vq, pixels)
    before = reconstruction_loss(codebook.decode(vq, codes), pixels).item()
    trainer = DecoderTrainer(vq, learning_rate=1e-3, steps=20)
    losses = [trainer.train_step(codes, pixels, step) for step in range(1, 21)]
    assert torch.equal(codebook.encode(vq, pixels), codes)
    after = reconstruction_loss(codebook.decode(vq, codes), pixels).item()
    assert after < losses[0]
    assert after < before
    assert all(name.startswith(("decoder.", "post_quant_conv.")) for name in trainer.parameters)


def test_the_rate_rises_and_falls_to_nothing() -> None:
    torch.manual_seed(0)
    vq = tiny_model().janus.model.vqmodel
    pixels = torch.rand(2, 3, 32, 32) * 2 - 1
    codes = codebook.encode(vq, pixels)
    trainer = DecoderTrainer(vq, learning_rate=1e-3, steps=400)
    rates = []
    for step in (1, 50, 200, 400):
        trainer.train_step(codes, pixels, step)
        rates.append(trainer.optimizer.param_groups[0]["lr"])
    assert rates[0] < rates[1] > rates[2] > rates[3]
    assert rates[3] < 1e-7
