"""Steps of fixed shape, as a GPU runs them. On a CPU all but the capture and the kernel runs."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from adloom.models.ad_generator import AdGenerator
from adloom.models.engine import Drawn, Engine
from adloom.models.engine.cache import RowCache
from adloom.models.engine.engine import MOST_ROWS
from adloom.models.engine.hashed_noise import HashedNoise
from adloom.models.engine.steps import STEP_TOKENS, FixedSteps
from adloom.models.engine.weights import Shape
from adloom.models.sampling import Sampling
from tests.models.plain_decoding import assert_drawn_as_the_model_says
from tests.tiny_model import brief, products, tiny_model

CPU = torch.device("cpu")
on_a_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
DEVICES = [CPU, pytest.param(torch.device("cuda"), marks=on_a_gpu)]
ASKS = [brief(p, n, seed=n) for p, n in zip(products(), (0, 1, 4, 2, 3), strict=False)]
ADAPTERS = (None, "left", "right", "wide")


def fixed_generator(device: torch.device) -> AdGenerator:
    """With adapters of two ranks; in float32 on a CPU, in bfloat16 on a GPU."""
    dtype = torch.float32 if device == CPU else torch.bfloat16
    model = tiny_model().to(device)
    janus: Any = model.janus
    janus.to(dtype)
    janus.model.vqmodel.float()
    generator = AdGenerator(model, rows=8, dtype=dtype)
    for seed, (name, rank) in enumerate((("left", 4), ("right", 4), ("wide", 7))):
        generator.new_adapter(name, rank=rank, alpha=8)
        noise = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for weight in generator.lora_parameters(name).values():
                weight.copy_(0.1 * torch.randn(weight.shape, generator=noise))
    generator._engine = Engine(model, rows=8, dtype=dtype, steps=FixedSteps(device))
    return generator


@pytest.fixture(scope="module", params=DEVICES, ids=str)
def generator(request: pytest.FixtureRequest) -> AdGenerator:
    return fixed_generator(request.param)


def draw(
    generator: AdGenerator, numbers: list[int], sampling: Sampling | None = None
) -> list[Drawn]:
    """Ads that are told apart by their numbers: products, histories, seeds and adapters."""
    started = []
    for number in numbers:
        ask, adapter = ASKS[number % len(ASKS)], ADAPTERS[number % len(ADAPTERS)]
        started.append(generator.start(ask, seeds=[number], sampling=sampling, adapter=adapter))
        generator.step()
    generator.finish(started)
    return [future.result()[0] for future in started]


def same(first: Drawn, second: Drawn) -> bool:
    return first.title == second.title and torch.equal(first.codes, second.codes)


def test_an_ad_is_the_same_to_a_bit_whatever_is_drawn_beside_it(generator: AdGenerator) -> None:
    """Twice, for on a GPU the second time is a replay; with as many rows as there is room for."""
    alone = [draw(generator, [number])[0] for number in range(4)]
    for others in ([], [10, 11, 12], [*range(13, 22)]):
        for _ in range(1 if generator.model.device == CPU else 2):
            together = draw(generator, [*others, *range(4)])[len(others) :]
            assert all(same(*pair) for pair in zip(alone, together, strict=True))
    assert len({ad.title for ad in alone}) > 1
    assert len({tuple(ad.codes.tolist()) for ad in alone}) == 4


class Products(TorchDispatchMode):
    """Notes how many rows matrix products with weights have."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.name()
        if any(part in name for part in ("::mm", "::addmm", "linear")):
            matrix = args[1] if "addmm" in name else args[0]
            self.rows.add(matrix.shape[0])
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_products_have_one_shape_however_many_rows_run(adapter: str | None) -> None:
    """A product of another shape may be another kernel, which sums in another order."""
    generator = fixed_generator(CPU)
    for count in (1, 3, 8):
        started = [generator.start(ASKS[0], seeds=[n], adapter=adapter) for n in range(count)]
        generator.step()  # prompts, each by itself
        with Products() as products:
            generator.finish(started)
        assert products.rows == {STEP_TOKENS}


def test_guesses_save_steps_in_pictures(generator: AdGenerator) -> None:
    [ad] = draw(generator, [2])
    assert ad.steps < len(ad.title) + len(ad.codes)


def test_what_is_truncated_is_never_drawn(generator: AdGenerator) -> None:
    """The likeliest token alone, whatever the noise."""
    greedy = Sampling(top_k=1, title_top_k=1)
    first, again = draw(generator, [1, 1], greedy)
    sampled = draw(generator, [1])[0]
    started = generator.start(ASKS[1], seeds=[77], sampling=greedy, adapter=ADAPTERS[1])
    generator.finish([started])
    assert same(first, again)
    assert same(first, started.result()[0])
    assert not same(first, sampled)


def test_a_request_that_fails_leaves_the_others_as_they_are(generator: AdGenerator) -> None:
    expected = draw(generator, [3])[0]
    doomed = generator.start(ASKS[0], seeds=[1, 2], adapter=None)
    started = generator.start(ASKS[3], seeds=[3], adapter=ADAPTERS[3])
    for _ in range(4):
        generator.step()
    engine = generator.engine
    for row in (*engine._titles.rows, *engine._pictures.rows):
        if row.job.future is doomed:
            row.job.fail(RuntimeError("planted"))
    generator.finish([started])
    assert same(started.result()[0], expected)
    with pytest.raises(RuntimeError, match="planted"):
        doomed.result()


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_every_token_is_what_the_model_would_draw(adapter: str | None) -> None:
    generator = fixed_generator(CPU)
    how = Sampling(guidance=2.5, temperature=0.8, title_temperature=1.5)
    started = [
        generator.start(ask, seeds=[seed], sampling=how, adapter=own)
        for ask, seed, own in ((ASKS[1], 5, "left"), (ASKS[2], 7, adapter), (ASKS[0], 6, "wide"))
    ]
    generator.finish(started)
    generator.activate(adapter)
    [drawn] = started[1].result()
    assert_drawn_as_the_model_says(generator.model, ASKS[2], 7, drawn, how, hashed_noise)


def hashed_noise(seed: int, stage: int, tokens: int, most: int, vocabulary: int) -> torch.Tensor:
    noise = HashedNoise(1, vocabulary, CPU)
    noise.start(0, seed, stage, 1.0)
    return noise.ahead(1, tokens)[0]


def test_more_rows_than_have_room_in_a_step_wait() -> None:
    model = tiny_model()
    engine = Engine(model, rows=500, dtype=torch.float32, steps=FixedSteps(CPU))
    assert engine._capacity == MOST_ROWS
    assert engine._pictures.tokens_each(MOST_ROWS) == 1
    assert engine._titles.tokens_each(MOST_ROWS) * MOST_ROWS <= 128


def test_hashed_noise_is_gumbels() -> None:
    """Mean, variance, tails, and no likeness between tokens, rows or stages."""
    noise = HashedNoise(4, 1 << 14, CPU)
    for row, (seed, stage) in enumerate(((1, 0), (2, 0), (1, 1), (1 << 40, 0))):
        noise.start(row, seed, stage, 1.0)
    found = noise.ahead(4, 16).double()
    assert abs(found.mean() - 0.57722) < 0.01
    assert abs(found.var() - 1.64493) < 0.02
    exponential = (-found).exp().flatten()
    for bound in (0.01, 0.5, 2.0, 5.0):
        expected = 1 - torch.tensor(-bound).exp()
        assert abs((exponential < bound).double().mean() - expected) < 0.002
    likeness = torch.corrcoef(found.view(64, -1)) - torch.eye(64)
    assert likeness.abs().max() < 0.05
    assert found.isfinite().all()


def test_hashed_noise_follows_its_row() -> None:
    """A token's noise is the same ahead of time and when it comes, wherever its row lies."""
    noise = HashedNoise(2, 50, CPU)
    noise.start(0, 3, 0, 1.0)
    noise.start(1, 4, 0, 0.5)
    ahead = noise.ahead(2, 8)
    noise.advance(torch.tensor([2, 5]))
    assert torch.equal(noise.ahead(2, 3)[0], ahead[0, 2:5])
    noise.move(1, 0)
    assert torch.equal(noise.ahead(1, 3)[0], ahead[1, 5:])
    assert ahead[1].std() < 0.7 * ahead[0].std()


@on_a_gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("width", [1, 4, 16])
@pytest.mark.parametrize("depth", [32, 128])
def test_the_kernel_sees_what_products_see(dtype: torch.dtype, width: int, depth: int) -> None:
    """Rows of different lengths, and heads of queries that share one of keys."""
    shape = Shape(width=4 * depth, layers=1, heads=4, kv_heads=2, depth=depth)
    made = torch.Generator().manual_seed(0)
    plain = RowCache(shape, 3, 400, CPU, torch.float32, fixed=True)
    kernel = RowCache(shape, 3, 400, torch.device("cuda"), dtype, fixed=True)
    for row, tokens in enumerate((0, 350, 70)):
        prefix = torch.randn(1, 2, 2, tokens, depth, generator=made).to(dtype)
        plain.put(row, prefix.float(), width)
        kernel.put(row, prefix.cuda(), width)
    queries, keys_values = (
        (0.3 * torch.randn(3 * width, 4 * depth, generator=made)).to(dtype) for _ in range(2)
    )
    plain.open_step(3, width)
    kernel.open_step(3, width)
    expected = plain.attend(0, queries.float(), keys_values.float())
    found = kernel.attend(0, queries.cuda(), keys_values.cuda()).float().cpu()
    assert (found - expected).norm() < (1e-5 if dtype == torch.float32 else 1e-2) * expected.norm()
