"""Training the VQ model of Janus from nothing on a shop's own pictures."""

from collections.abc import Iterator

import faiss
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.models.janus.modeling_janus import (
    JanusVQVAE,
    JanusVQVAEAttnBlock,
    JanusVQVAEConvDownsample,
    JanusVQVAEConvUpsample,
    JanusVQVAEResnetBlock,
)

from adloom.models.precision import pretraining_precision

COMMITMENT = 0.25
"""Weight of the pull of latents towards their codes (VQ-VAE, section 3.2)."""
KMEANS_STEPS = 100
"""The codebook starts from the latents of so many batches."""


def latents_of(vq: JanusVQVAE, pixels: Tensor) -> Tensor:
    """Unit-length latents ``(n, channels, grid, grid)`` before quantisation.

    ``JanusVQVAE.decode`` normalises codes, so only their direction can carry anything.
    """
    return F.normalize(vq.quant_conv(vq.encoder(pixels)), dim=1)


def quantise(vq: JanusVQVAE, latents: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Nearest codes, with a straight-through gradient.

    Returns:
        Quantised latents of the same shape, codebook and commitment loss (scalar), codes
        ``(n * tokens,)``.
    """
    quantised, _, codes = vq.quantize(latents)
    chosen = vq.quantize.embedding(codes)
    flat = flattened(latents)
    loss = F.mse_loss(chosen, flat.detach()) + COMMITMENT * F.mse_loss(flat, chosen.detach())
    return quantised, loss * latents.shape[1], codes


def flattened(latents: Tensor) -> Tensor:
    """Latents ``(n, channels, grid, grid)`` as rows ``(n * tokens, channels)``."""
    return latents.permute(0, 2, 3, 1).reshape(-1, latents.shape[1])


def reconstruction_loss(output: Tensor, target: Tensor) -> Tensor:
    """Mean absolute error at three scales plus that of the picture's gradients.

    Coarse scales settle colour and layout first; gradients keep edges from washing out.
    """
    output, target = opponent(output), opponent(target)
    loss = F.l1_loss(output, target)
    coarse_out, coarse_target = output, target
    for _ in range(2):
        coarse_out, coarse_target = F.avg_pool2d(coarse_out, 4), F.avg_pool2d(coarse_target, 4)
        loss = loss + 0.5 * F.l1_loss(coarse_out, coarse_target)
    for dim in (2, 3):
        loss = loss + F.l1_loss(output.diff(dim=dim), target.diff(dim=dim))
    return loss


def opponent(pixels: Tensor) -> Tensor:
    """RGB ``(n, 3, h, w)`` as lightness, red against green, blue against yellow.

    In RGB an absolute error hardly tells of colour while lightness is still off: all three
    channels then err with the same sign.
    """
    red, green, blue = pixels.unbind(1)
    return torch.stack([(red + green + blue) / 3, red - green, blue - (red + green) / 2], dim=1)


def start_as_identity(vq: JanusVQVAE) -> None:
    """Initialise so that at first pictures pass through short linear paths.

    Residual branches start at zero and resampling convolutions as copies: colours get through
    from the first steps, detail is added by the branches as they grow.
    """
    for module in vq.modules():
        if isinstance(module, nn.Conv2d | nn.GroupNorm):
            module.reset_parameters()
    for module in vq.modules():
        if isinstance(module, JanusVQVAEResnetBlock):
            _zero(module.conv2)
        elif isinstance(module, JanusVQVAEAttnBlock):
            _zero(module.proj_out)
        elif isinstance(module, JanusVQVAEConvUpsample | JanusVQVAEConvDownsample):
            _zero(module.conv)
            nn.init.dirac_(module.conv.weight)


def _zero(convolution: nn.Conv2d) -> None:
    for parameter in convolution.parameters():
        nn.init.zeros_(parameter)


class CodebookTrainer:
    """Optimises a VQ model a batch at a time.

    For the first ``warm_up`` steps nothing is quantised: a random codebook is so coarse that
    decoder and encoder would never agree on colours. Then the codes are set to the centres of
    the latents (spherical k-means) and learn with the rest; codes that nobody uses are moved
    onto latents of the current batch.
    """

    def __init__(
        self, vq: JanusVQVAE, *, learning_rate: float, steps: int, warm_up: int, seed: int = 0
    ) -> None:
        start_as_identity(vq)
        self.vq = vq.train()
        self.steps = steps
        self.warm_up = warm_up
        self.optimizer = torch.optim.AdamW(
            vq.parameters(), lr=learning_rate, betas=(0.9, 0.95), weight_decay=1e-4
        )
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, learning_rate, total_steps=steps + 1, pct_start=0.05
        )
        self.usage = torch.ones(vq.quantize.num_embeddings)
        self.step = 0
        self._seed = seed
        self._latents: list[Tensor] = []

    def train_step(self, pixels: Tensor) -> float:
        """One optimiser step on ``(n, 3, size, size)``; returns the reconstruction loss."""
        codes = None
        extra = torch.zeros((), device=pixels.device)
        with pretraining_precision(pixels.device):
            latents = latents_of(self.vq, pixels)
            if self.step < self.warm_up:
                quantised = latents
            else:
                quantised, extra, codes = quantise(self.vq, latents.float())
            output = self.vq.decoder(self.vq.post_quant_conv(quantised))
        loss = reconstruction_loss(output.float(), pixels)
        self.optimizer.zero_grad(set_to_none=True)
        (loss + extra).backward()
        torch.nn.utils.clip_grad_norm_(self.vq.parameters(), 1.0)
        self.optimizer.step()
        self.schedule.step()
        self.step += 1
        self._tend_codebook(flattened(latents.detach().float()), codes)
        return loss.item()

    @torch.no_grad()
    def _tend_codebook(self, latents: Tensor, codes: Tensor | None) -> None:
        weight = self.vq.quantize.embedding.weight
        if codes is None:
            if self.step > self.warm_up - KMEANS_STEPS:
                self._latents.append(latents.cpu())
            if self.step == self.warm_up:
                weight.copy_(self._centres())
            return
        weight.copy_(F.normalize(weight, dim=-1))
        counts = torch.bincount(codes, minlength=len(weight)).float().cpu()
        self.usage.mul_(0.98).add_(counts, alpha=0.02)
        settling = self.step > 0.8 * self.steps
        if self.step % 20 == 0 and not settling:
            dead = (self.usage < 0.02).nonzero().squeeze(1)
            picks = latents[torch.randint(len(latents), (len(dead),))]
            weight[dead] = F.normalize(picks + 0.01 * torch.randn_like(picks), dim=-1)
            self.usage[dead] = 0.5

    def _centres(self) -> Tensor:
        """Unit-length centres of the latents seen last, a code each."""
        seen = torch.cat(self._latents).numpy()
        self._latents.clear()
        kmeans = faiss.Kmeans(
            seen.shape[1],
            self.vq.quantize.num_embeddings,
            niter=15,
            spherical=True,
            seed=self._seed,
            min_points_per_centroid=1,
        )
        kmeans.train(seen)
        return torch.from_numpy(kmeans.centroids)

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
