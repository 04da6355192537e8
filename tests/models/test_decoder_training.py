"""The decoder gets sharper; what a picture's codes are does not move."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from adloom.models import codebook
from adloom.models.enlarger import Enlarger
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


def test_what_enlarges_learns_the_edges_that_are_lost_between_pixels() -> None:
    torch.manual_seed(0)
    vq, enlarger = tiny_model().janus.model.vqmodel, Enlarger(2)
    stripes = (torch.arange(64) // 8 % 2 * 2.0 - 1).expand(2, 3, 64, 64).contiguous()
    codes = codebook.encode(vq, F.interpolate(stripes, 32, mode="area"))
    trainer = DecoderTrainer(vq, enlarger, learning_rate=1e-3, critic_alone=20)
    fits = [trainer.train_step(codes, stripes, step)[0] for step in range(1, 26)]
    assert all(map(math.isfinite, fits))
    assert fits[19] < fits[0]
    assert enlarger.last.weight.any()
    trained = {name: w.clone() for name, w in enlarger.state_dict().items()}
    trainer.settle(0.7)
    for name, weight in enlarger.state_dict().items():
        assert torch.equal(weight, trained[name])


def test_the_critic_learns_to_tell_real_from_decoded() -> None:
    torch.manual_seed(0)
    vq = tiny_model().janus.model.vqmodel
    pixels = torch.rand(6, 3, 32, 32) * 2 - 1
    codes = codebook.encode(vq, pixels)
    trainer = DecoderTrainer(vq, learning_rate=1e-3, critic_alone=30)
    losses = [trainer.train_step(codes, pixels, step)[1] for step in range(1, 31)]
    assert losses[-1] < losses[0]
