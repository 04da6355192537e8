"""Training the VQ model of Janus from nothing on a shop's own pictures."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers.models.janus.modeling_janus import JanusVQVAE


def reconstruct(vq: JanusVQVAE, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Encode, quantise and decode with a straight-through gradient.

    The latents are normalised before the nearest code is looked up, and the codebook is
    kept at unit length (see :func:`codebook_step`), as ``JanusVQVAE.decode`` expects.

    Returns:
        Reconstruction ``(n, 3, h, w)``, commitment loss (scalar), codes ``(n * tokens,)``.
    """
    latents = F.normalize(vq.quant_conv(vq.encoder(pixels)), dim=1)
    quantised, _, codes = vq.quantize(latents)
    chosen = vq.quantize.embedding(codes)
    flat = latents.permute(0, 2, 3, 1).reshape(-1, latents.shape[1])
    commitment = F.mse_loss(flat, chosen.detach()) + 0.25 * F.mse_loss(chosen, flat.detach())
    return vq.decoder(vq.post_quant_conv(quantised)), commitment * latents.shape[1], codes


def reconstruction_loss(output: Tensor, target: Tensor) -> Tensor:
    """Mean absolute error at three scales plus that of the image gradients.

    Coarse scales settle colour and layout first; gradients keep edges from washing out.
    """
    loss = F.l1_loss(output, target)
    coarse_out, coarse_target = output, target
    for _ in range(2):
        coarse_out, coarse_target = F.avg_pool2d(coarse_out, 4), F.avg_pool2d(coarse_target, 4)
        loss = loss + 0.5 * F.l1_loss(coarse_out, coarse_target)
    for dim in (2, 3):
        loss = loss + F.l1_loss(output.diff(dim=dim), target.diff(dim=dim))
    return loss


class CodebookTrainer:
    """Optimises a VQ model a batch at a time and revives codes nobody uses.

    Dead codes are moved onto latents of the current batch: without it most of a codebook
    trained from nothing stays unused.
    """

    def __init__(self, vq: JanusVQVAE, *, learning_rate: float, steps: int) -> None:
        self.vq = vq.train()
        self.steps = steps
        self.optimizer = torch.optim.AdamW(
            vq.parameters(), lr=learning_rate, betas=(0.9, 0.95), weight_decay=1e-4
        )
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, learning_rate, total_steps=steps + 1, pct_start=0.05
        )
        self.usage = torch.ones(vq.quantize.num_embeddings)
        self.step = 0
        with torch.no_grad():
            weight = vq.quantize.embedding.weight
            weight.copy_(F.normalize(torch.randn_like(weight), dim=-1))

    def train_step(self, pixels: Tensor) -> float:
        """One optimiser step on ``(n, 3, size, size)``; returns the reconstruction loss."""
        output, commitment, codes = reconstruct(self.vq, pixels)
        loss = reconstruction_loss(output, pixels)
        self.optimizer.zero_grad(set_to_none=True)
        (loss + commitment).backward()
        torch.nn.utils.clip_grad_norm_(self.vq.parameters(), 1.0)
        self.optimizer.step()
        self.schedule.step()
        self._tend_codebook(pixels, codes)
        self.step += 1
        return loss.item()

    @torch.no_grad()
    def _tend_codebook(self, pixels: Tensor, codes: Tensor) -> None:
        weight = self.vq.quantize.embedding.weight
        weight.copy_(F.normalize(weight, dim=-1))
        counts = torch.bincount(codes, minlength=len(weight)).float()
        self.usage.mul_(0.98).add_(counts, alpha=0.02)
        settling = self.step > 0.7 * self.steps
        if self.step % 20 == 0 and not settling:
            dead = (self.usage < 0.02).nonzero().squeeze(1)
            latents = F.normalize(self.vq.quant_conv(self.vq.encoder(pixels[:4])), dim=1)
            pool = latents.permute(0, 2, 3, 1).reshape(-1, latents.shape[1])
            picks = pool[torch.randint(len(pool), (len(dead),))]
            weight[dead] = F.normalize(picks + 0.01 * torch.randn_like(picks), dim=-1)
            self.usage[dead] = 0.5

    def resume_at(self, step: int) -> None:
        """Go on from ``step`` of an earlier run."""
        self.step = step
        for _ in range(step):
            self.schedule.step()

    @property
    def codes_in_use(self) -> int:
        """Number of codes drawn lately."""
        return int((self.usage > 0.01).sum())


def batches(pixels: Tensor, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Endless shuffled batches of ``size`` from uint8 ``(n, 3, h, w)``, as -1..1 floats."""
    while True:
        order = torch.randperm(len(pixels), generator=generator)
        for part in order.split(size):
            if len(part) == size:
                batch = pixels[part].float() / 127.5 - 1.0
                mirrored = torch.rand(size, generator=generator) < 0.5
                batch[mirrored] = batch[mirrored].flip(-1)
                yield batch
