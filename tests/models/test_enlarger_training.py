"""What enlarges learns edges and texture, and the decoder with it; codes do not move."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from adloom.models import codebook
from adloom.models.enlarger import enlarger_of
from adloom.models.training.critic import PatchCritic
from adloom.models.training.enlarger import EnlargerTrainer, texture_loss
from tests.tiny_model import tiny_model


def test_it_learns_the_edges_that_are_lost_between_pixels_and_moves_no_code() -> None:
    torch.manual_seed(0)
    vq = tiny_model().janus.model.vqmodel
    enlarger = enlarger_of(vq, 2)
    assert enlarger is not None
    before = {name: w.clone() for name, w in vq.state_dict().items()}
    stripes = (torch.arange(64) // 8 % 2 * 2.0 - 1).expand(2, 3, 64, 64).contiguous()
    codes = codebook.encode(vq, F.interpolate(stripes, 32, mode="area"))
    trainer = EnlargerTrainer(
        vq, enlarger, learning_rate=5e-3, decoder_rate=1e-4, steps=30, critic_alone=20
    )
    losses = [trainer.train_step(codes, stripes, step) for step in range(1, 26)]
    assert all(math.isfinite(loss) for found in losses for loss in found)
    fits, textures, told_apart = zip(*losses, strict=True)
    assert fits[19] < fits[0]
    assert textures[19] < textures[0]
    assert told_apart[19] < told_apart[0]
    moved = {n for n, weight in vq.state_dict().items() if not torch.equal(weight, before[n])}
    assert "decoder.conv_out.weight" in moved
    assert all(name.startswith(("decoder.", "post_quant_conv.")) for name in moved)


@given(st.integers(0, 5), st.integers(40, 90))
def test_texture_is_alike_wherever_its_lines_lie(seed: int, size: int) -> None:
    drawn = torch.Generator().manual_seed(seed)
    rough = torch.rand(2, 3, size + 20, size + 20, generator=drawn) * 2 - 1
    one, moved = rough[..., :size, :size], rough[..., 20:, 20:]
    soft = F.avg_pool2d(one, 3, stride=1, padding=1)
    assert texture_loss(one, one) == 0
    assert texture_loss(moved, one) < texture_loss(soft, one)
    assert math.isfinite(texture_loss(torch.zeros_like(one), one))


def test_the_critic_learns_to_tell_real_from_made() -> None:
    torch.manual_seed(0)
    critic = PatchCritic()
    optimizer = torch.optim.AdamW(critic.parameters(), lr=1e-3)
    real = torch.rand(6, 3, 32, 32) * 2 - 1
    made = F.avg_pool2d(real, 3, stride=1, padding=1)
    losses = []
    for _ in range(30):
        loss = critic.hinge_loss(real, made)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
