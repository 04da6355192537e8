"""The decoder gets sharper; what a picture's codes are does not move."""

from __future__ import annotations

import math

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
    trainer = DecoderTrainer(vq, learning_rate=1e-3, critic_alone=10)
    for step in range(1, 21):
        fit, told_apart = trainer.train_step(codes, pixels, step)
        assert math.isfinite(fit)
        assert math.isfinite(told_apart)
    assert torch.equal(codebook.encode(vq, pixels), codes)
    trained = vq.decoder.conv_out.weight.clone()
    trainer.settle(0.7)
    assert not torch.equal(vq.decoder.conv_out.weight, trained)
    assert reconstruction_loss(codebook.decode(vq, codes), pixels).item() < before
    assert all(name.startswith(("decoder.", "post_quant_conv.")) for name in trainer.parameters)


def test_the_critic_learns_to_tell_real_from_decoded() -> None:
    torch.manual_seed(0)
    vq = tiny_model().janus.model.vqmodel
    pixels = torch.rand(6, 3, 32, 32) * 2 - 1
    codes = codebook.encode(vq, pixels)
    trainer = DecoderTrainer(vq, learning_rate=1e-3, critic_alone=30)
    losses = [trainer.train_step(codes, pixels, step)[1] for step in range(1, 31)]
    assert losses[-1] < losses[0]
