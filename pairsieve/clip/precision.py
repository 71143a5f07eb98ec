"""Choose the number format of a model by a short measurement on the machine that runs it.

CPU flags do not tell which format is fastest: with AMX bfloat16 is five times as fast as float32,
with AVX-512 bf16 alone it is slower. The format does not tell how exact the result is either: a
model of 512 dimensions moves by a thousandth in bfloat16, a small one by more.
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

# Largest allowed root mean square of the change of a similarity against float32. 19 of 20
# similarities then move by less than 0.002.
MAX_DEVIATION = 0.001


@dataclass(frozen=True)
class Probe:
    """The input of the measurement, on the device of the model.

    `pixels` (n, 3, side, side) are float32; `tokens` are (m, length).
    """

    pixels: Tensor
    tokens: Tensor


def with_precision(model: Any, precision: Precision, probe: Probe) -> tuple[Any, str]:
    """Convert a float32 model. Returns the model and the name of its precision.

    "auto" picks the fastest precision that stays within MAX_DEVIATION of float32.
    """
    if precision != "auto":
        return model.to(DTYPES[precision]), precision
    models = _exact_enough(model, probe)
    if len(models) == 1:
        return model, "fp32"  # nothing to compare, so nothing to measure
    seconds = {name: _seconds(candidate, probe) for name, candidate in models.items()}
    fastest = min(seconds, key=seconds.__getitem__)
    return models[fastest], fastest


def _exact_enough(model: Any, probe: Probe) -> dict[str, Any]:
    """The float32 model, and its copies in other precisions that stay within MAX_DEVIATION."""
    models = {"fp32": model}
    exact = _similarities(model, probe)
    # Few CPUs compute in fp16, so it is tried on accelerators only.
    names = ("bf16",) if probe.pixels.device.type == "cpu" else ("bf16", "fp16")
    for name in names:
        candidate = copy.deepcopy(model).to(DTYPES[name])
        difference = _similarities(candidate, probe) - exact
        if float(difference.square().mean().sqrt()) <= MAX_DEVIATION:
            models[name] = candidate
    return models


@torch.inference_mode()
def _similarities(model: Any, probe: Probe) -> Tensor:
    """The similarity of each probe picture with each probe text."""
    dtype = next(model.parameters()).dtype
    pictures = model.encode_image(probe.pixels.to(dtype))
    texts = model.encode_text(probe.tokens)
    return normalize(pictures.float(), dim=-1) @ normalize(texts.float(), dim=-1).T


@torch.inference_mode()
def _seconds(model: Any, probe: Probe) -> float:
    """Seconds of the fastest of a few forward passes.

    The slow first pass of the model was made by `_similarities`.
    """
    pixels = probe.pixels.to(next(model.parameters()).dtype)
    times = []
    for _ in range(TRIALS):
        started = time.perf_counter()
        model.encode_image(pixels).sum().item()
        times.append(time.perf_counter() - started)
    return min(times)
