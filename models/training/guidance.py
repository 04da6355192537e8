"""A base learns what classifier-free guidance makes of its own logits, for any strength.

Source: guidance distillation (arXiv 2210.03142, section 3.1), here of logits: the student's
distribution of each image token is drawn to the teacher's guided one.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from adloom.models.batching import BriefBatch, TargetBatch
from adloom.models.generator import AdModel


def guidance_loss(
    student: AdModel,
    teacher: AdModel,
    batch: BriefBatch,
    before: TargetBatch,
    strengths: Tensor,
    foreground_strength: float = 1.0,
) -> Tensor:
    """Kullback-Leibler divergence of the student from the teacher, nats a token, with gradient.

    That of image tokens, guided by ``strengths`` float ``(n,)`` from 1 to
    :data:`adloom.models.guidance.STRONGEST`, and that of titles, which nothing guides. ``before``
    is what each token follows, ``foreground_strength`` what both multiply the foreground features
    by. Rows weigh less the stronger they are guided: how far they are from their teacher grows with
    the square of that.
    """
    with torch.no_grad():
        titles, wanted = teacher.logits(batch, before, foreground_strength=foreground_strength)
        blank = torch.ones(len(strengths), dtype=torch.bool, device=strengths.device)
        _, plain = teacher.logits(
            batch, before, unconditional=blank, foreground_strength=foreground_strength
        )
        guided = torch.lerp(plain.float(), wanted.float(), strengths[:, None, None])
    own_titles, own = student.logits(
        batch, before, strengths=strengths, foreground_strength=foreground_strength
    )
    scored = before.titles != student.tokenizer.pad_token_id
    of_titles = (_divergence(own_titles, titles) * scored).sum() / scored.sum().clamp_min(1)
    weights = 1 / (1 + (strengths - 1).square() / 4)
    return (weights * _divergence(own, guided).mean(1)).mean() + of_titles


def _divergence(own: Tensor, wanted: Tensor) -> Tensor:
    """Of each token, ``(n, tokens)``, of logits ``(n, tokens, vocabulary)``."""
    log_own, log_wanted = own.float().log_softmax(-1), wanted.float().log_softmax(-1)
    return F.kl_div(log_own, log_wanted, reduction="none", log_target=True).sum(-1)
