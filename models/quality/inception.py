"""Inception-v3 as FID and KID are measured with: its last pooled features.

Sources: Szegedy et al. (arXiv 1512.00567); Heusel et al. (arXiv 1706.08500), who take the network
that TensorFlow released in 2015 with 1,008 classes. It pools otherwise than torchvision's in three
places. Pictures are resized and scaled as pytorch-fid does. The libraries that have this network
want torchvision, of the one release that torch's own fits to: too much for one network.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from adloom.models.quality.background import BadEncoder
from adloom.models.quality.weight_files import first_problem, read_weights

WIDTH = 2048
KINDS = (".pth", ".pt", ".safetensors")
_CLASSES = 1008
_SIDE = 299
_AT_ONCE = 32

Kernel = int | tuple[int, int]
Step = tuple[str, int, Kernel, int]
"""A convolution: its name, channels that come out, kernel, stride."""
Chain = tuple[Step, ...]


class _Convolution(nn.Module):
    def __init__(self, before: int, after: int, kernel: Kernel, stride: int, *, padded: bool):
        super().__init__()
        rows, columns = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (rows // 2, columns // 2) if padded else (0, 0)
        self.conv = nn.Conv2d(before, after, (rows, columns), stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(after, eps=0.001)

    def forward(self, seen: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(seen)))


class _Mixed(nn.Module):
    """Chains of convolutions side by side over the same input, beside a pooled branch.

    ``pool`` is how many channels the pooled branch is mapped to; 0 halves the grid: nothing is
    mapped then. The last two steps of a chain in ``forked`` both follow the one before them.
    """

    def __init__(
        self,
        before: int,
        chains: tuple[Chain, ...],
        pool: int = 0,
        forked: tuple[int, ...] = (),
        *,
        by_maximum: bool = False,
    ) -> None:
        super().__init__()
        self._chains, self._forked = chains, forked
        self._mapped, self._by_maximum = bool(pool), by_maximum
        for number, steps in enumerate(chains):
            width = before
            for place, (name, after, kernel, stride) in enumerate(steps):
                made = _Convolution(width, after, kernel, stride, padded=stride == 1)
                self.add_module(name, made)
                if not (number in forked and place == len(steps) - 2):
                    width = after
        if pool:
            self.branch_pool = _Convolution(before, pool, 1, 1, padded=False)

    def forward(self, seen: Tensor) -> Tensor:
        through = (self._through(number, seen) for number in range(len(self._chains)))
        return torch.cat([*chain.from_iterable(through), self._pooled(seen)], 1)

    def _through(self, number: int, seen: Tensor) -> list[Tensor]:
        steps = [self.get_submodule(step[0]) for step in self._chains[number]]
        ends = 2 if number in self._forked else 1
        for step in steps[:-ends]:
            seen = step(seen)
        return [end(seen) for end in steps[-ends:]]

    def _pooled(self, seen: Tensor) -> Tensor:
        if not self._mapped:
            return F.max_pool2d(seen, 3, 2)
        if self._by_maximum:
            pooled = F.max_pool2d(seen, 3, 1, 1)
        else:
            pooled = F.avg_pool2d(seen, 3, 1, 1, count_include_pad=False)
        mapped: Tensor = self.branch_pool(pooled)
        return mapped


def _chain(name: str, *steps: tuple[str, int, Kernel]) -> Chain:
    return tuple((f"{name}{end}", after, kernel, 1) for end, after, kernel in steps)


def _fine(before: int, pool: int) -> _Mixed:
    """35 x 35 cells."""
    fives = _chain("branch5x5_", ("1", 48, 1), ("2", 64, 5))
    threes = _chain("branch3x3dbl_", ("1", 64, 1), ("2", 96, 3), ("3", 96, 3))
    return _Mixed(before, ((("branch1x1", 64, 1, 1),), fives, threes), pool)


def _to_middle(before: int) -> _Mixed:
    threes = _chain("branch3x3dbl_", ("1", 64, 1), ("2", 96, 3))
    halving: Chain = (("branch3x3", 384, 3, 2),)
    return _Mixed(before, (halving, (*threes, ("branch3x3dbl_3", 96, 3, 2))))


def _middle(before: int, width: int) -> _Mixed:
    """17 x 17 cells."""
    row, column = (1, 7), (7, 1)
    once = _chain("branch7x7_", ("1", width, 1), ("2", width, row), ("3", 192, column))
    first = (("1", width, 1), ("2", width, column), ("3", width, row), ("4", width, column))
    twice = _chain("branch7x7dbl_", *first, ("5", 192, row))
    return _Mixed(before, ((("branch1x1", 192, 1, 1),), once, twice), 192)


def _to_coarse(before: int) -> _Mixed:
    threes = _chain("branch3x3_", ("1", 192, 1))
    sevens = _chain("branch7x7x3_", ("1", 192, 1), ("2", 192, (1, 7)), ("3", 192, (7, 1)))
    ends: tuple[Step, Step] = (("branch3x3_2", 320, 3, 2), ("branch7x7x3_4", 192, 3, 2))
    return _Mixed(before, ((*threes, ends[0]), (*sevens, ends[1])))


def _coarse(before: int, *, by_maximum: bool) -> _Mixed:
    """8 x 8 cells; only the last block pools by maximum, as the released network does."""
    row, column = (1, 3), (3, 1)
    threes = _chain("branch3x3_", ("1", 384, 1), ("2a", 384, row), ("2b", 384, column))
    first = (("1", 448, 1), ("2", 384, 3))
    twice = _chain("branch3x3dbl_", *first, ("3a", 384, row), ("3b", 384, column))
    chains: tuple[Chain, ...] = ((("branch1x1", 320, 1, 1),), threes, twice)
    return _Mixed(before, chains, 192, forked=(1, 2), by_maximum=by_maximum)


class Inception(nn.Module):
    """Pictures to features."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = _Convolution(3, 32, 3, 2, padded=False)
        self.Conv2d_2a_3x3 = _Convolution(32, 32, 3, 1, padded=False)
        self.Conv2d_2b_3x3 = _Convolution(32, 64, 3, 1, padded=True)
        self.Conv2d_3b_1x1 = _Convolution(64, 80, 1, 1, padded=False)
        self.Conv2d_4a_3x3 = _Convolution(80, 192, 3, 1, padded=False)
        self.Mixed_5b = _fine(192, 32)
        self.Mixed_5c = _fine(256, 64)
        self.Mixed_5d = _fine(288, 64)
        self.Mixed_6a = _to_middle(288)
        self.Mixed_6b = _middle(768, 128)
        self.Mixed_6c = _middle(768, 160)
        self.Mixed_6d = _middle(768, 160)
        self.Mixed_6e = _middle(768, 192)
        self.Mixed_7a = _to_coarse(768)
        self.Mixed_7b = _coarse(1280, by_maximum=False)
        self.Mixed_7c = _coarse(2048, by_maximum=True)

    def forward(self, pixels: Tensor) -> Tensor:
        """``(n, 3, 299, 299)`` in -1..1 to ``(n, 2048)``."""
        seen = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(pixels)))
        seen = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(F.max_pool2d(seen, 3, 2)))
        seen = F.max_pool2d(seen, 3, 2)
        for name, block in self.named_children():
            if name.startswith("Mixed"):
                seen = block(seen)
        return seen.mean((2, 3))

    @torch.inference_mode()
    def embed(self, pictures: Sequence[Image.Image]) -> NDArray[np.float32]:
        """Features of pictures of any size: float32 ``(n, 2048)``."""
        device = next(self.parameters()).device
        parts = [
            self(_pixels(pictures[start : start + _AT_ONCE]).to(device)).cpu().numpy()
            for start in range(0, len(pictures), _AT_ONCE)
        ]
        features: NDArray[np.float32] = np.concatenate(
            [np.zeros((0, WIDTH), dtype=np.float32), *parts]
        )
        return features


def load_inception(path: Path, device: str = "cpu") -> Inception:
    """Load the weights that pytorch-fid and torch-fidelity publish; nothing in them is executed.

    Args:
        path: ``pt_inception-2015-12-05-6726825d.pth``, or the same as safetensors.
        device: where it looks at pictures.

    Raises:
        FileNotFoundError: there is no such file.
        BadEncoder: it is damaged, holds what may not be unpickled, or another network.
    """
    if not path.name.endswith(KINDS):
        raise BadEncoder(f"{path}: weights of Inception-v3 are a file {', '.join(KINDS)}")
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no weights of Inception-v3 there")
    weights = read_weights(path)
    classes = weights.pop("fc.weight", torch.empty(0))
    weights.pop("fc.bias", None)
    if len(classes) != _CLASSES:
        raise BadEncoder(
            f"{path}: not the Inception-v3 that FID is measured with, which has {_CLASSES:,} "
            "classes: take pt_inception-2015-12-05-6726825d.pth, as pytorch-fid does"
        )
    network = Inception()
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise BadEncoder(
            f"{path}: no Inception-v3 that is whole: {first_problem(error)}"
        ) from error
    return network.eval().to(torch.device(device))


def _pixels(pictures: Sequence[Image.Image]) -> Tensor:
    """As pytorch-fid sees them: ``(n, 3, 299, 299)`` in -1..1."""
    resized = [
        F.interpolate(
            torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1)[None] / 255,
            (_SIDE, _SIDE),
            mode="bilinear",
            align_corners=False,
        )
        for picture in pictures
    ]
    return torch.cat(resized) * 2 - 1
