"""In which numbers a model computes: chosen by a short measurement on the machine that it runs on.

CPU flags do not tell: with AMX bfloat16 is five times as fast as float32, with AVX-512 bf16 alone
it is slower. Nor does the kind of number tell how near the result is: a model of 512 dimensions
moves by a thousandth in bfloat16, a small one by more.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from pairsieve.clip.settings import Precision

DTYPES: Mapping[str, torch.dtype] = {
    "fp32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}
TRIALS = 2
# root mean square of what a similarity may move by: 19 of 20 then move by less than 0.002
MOST_DEVIATION = 0.001


@dataclass(frozen=True)
class Probe:
    """What a model is tried with: pixels (n, 3, side, side) as float32, and tokens (m, length), on
    its device.
    """

    pixels: Tensor
    tokens: Tensor


def with_precision(model: Any, precision: Precision, probe: Probe) -> tuple[Any, str]:
    """The model (float32) in the precision asked for, and its name.

    "auto" is the fastest one that keeps within MOST_DEVIATION of float32. fp16 is tried on devices
    alone: few CPUs have it.
    """
    if precision != "auto":
        return model.to(DTYPES[precision]), precision
    names = ("bf16",) if probe.pixels.device.type == "cpu" else ("bf16", "fp16")
    exact, models = _similarities(model, probe), {"fp32": model}
    for name in names:
        other = copy.deepcopy(model).to(DTYPES[name])
        if float((_similarities(other, probe) - exact).square().mean().sqrt()) <= MOST_DEVIATION:
            models[name] = other
    seconds = (
        {name: _seconds(models[name], probe) for name in models}
        if len(models) > 1
        else {"fp32": 0.0}
    )
    fastest = min(seconds, key=seconds.__getitem__)
    return models[fastest], fastest


@torch.inference_mode()
def _similarities(model: Any, probe: Probe) -> Tensor:
    dtype = next(model.parameters()).dtype
    pictures, texts = model.encode_image(probe.pixels.to(dtype)), model.encode_text(probe.tokens)
    return normalize(pictures.float(), dim=-1) @ normalize(texts.float(), dim=-1).T


@torch.inference_mode()
def _seconds(model: Any, probe: Probe) -> float:
    """The best of a few forward passes; the first one, which is slower, was `_similarities`."""
    pixels = probe.pixels.to(next(model.parameters()).dtype)
    times = []
    for _ in range(TRIALS):
        started = time.perf_counter()
        model.encode_image(pixels).sum().item()
        times.append(time.perf_counter() - started)
    return min(times)
