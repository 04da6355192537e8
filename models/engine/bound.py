"""How fast a step could be: its matrix products and nothing else."""

from __future__ import annotations

import time

import torch

from adloom.models.engine.weights import Weights


@torch.inference_mode()
def matrix_products_seconds(
    weights: Weights, ads: int, width: int, length: int, copies: int
) -> float:
    """Seconds for the products of one step in which ``ads`` ads draw ``width`` tokens each.

    Those with the weights of all layers and of the head, for each of an ad's ``copies`` (it and its
    twin, if any), and those of attention over ``length`` keys; nothing is added, normed, turned or
    drawn.
    """
    shape, rows, device = weights.shape, copies * ads * width, weights.device
    layer, (first, _, last) = weights.layers[0], weights.picture_head
    inputs = {
        product.shape[1]: torch.randn(rows, product.shape[1], device=device).to(weights.dtype)
        for product in (layer.qkv, layer.out, layer.down, last)
    }
    size = (copies * ads * shape.kv_heads, length, shape.depth)
    keys = torch.randn(size, device=device).to(weights.dtype)
    queries = keys[:, : width * shape.heads // shape.kv_heads]
    scores = torch.bmm(queries, keys.transpose(1, 2))
    if device.type == "cuda":
        torch.cuda.synchronize()
    began = time.perf_counter()
    for layer in weights.layers:
        for product in (layer.qkv, layer.out, layer.gate_up, layer.down):
            product(inputs[product.shape[1]])
        torch.bmm(queries, keys.transpose(1, 2))
        torch.bmm(scores, keys)
    for product in (first, last):
        product(inputs[product.shape[1]])
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began
