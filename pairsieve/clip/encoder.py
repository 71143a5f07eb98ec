"""A loaded CLIP model: pictures and texts to unit vectors, in batches that are always full.

A batch of pictures is filled up to `batch_size` rows, one of texts up to as many tokens as
TOKENS_A_ROW says: so a vector depends on its own picture or text and on nothing that happens to be
beside it, to the last bit, and may be kept for later.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray
from open_clip.transform import PreprocessCfg
from torch import Tensor
from torch.nn.functional import normalize

from pairsieve.clip.filled import filled
from pairsieve.clip.kept import Kept
from pairsieve.clip.model import checkpoint_of, identify
from pairsieve.clip.precision import Probe, with_precision
from pairsieve.clip.settings import (
    LOCAL,
    EncoderSettings,
    ModelError,
    ModelIdentity,
    ModelSettings,
)
from pairsieve.clip.texts import TextTower
from pairsieve.images.prepare import FILTERS, Pixels, Square

Vectors = NDArray[np.float32]
Rows = Sequence[Tensor] | Tensor
Encode = Callable[[Any, int], Tensor]
"""Rows, and up to how many of them (of texts: tokens) the batch is filled -> their vectors (n, d).
"""
KEPT_TEXTS = 20_000  # captions whose vectors are kept between parts: 40 MB at 512 dimensions
PROBE_ROWS = 8
# tokens that a batch of texts has for each row of `batch_size`: measured, and about what a picture
# has
TOKENS_A_ROW = 48


@dataclass
class Meter:
    """What a model did: seconds in it, and the number of rows of each batch."""

    busy_s: float = 0.0
    batches: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Encoder:
    """Unit vectors (float32, on the CPU) of pictures and texts.

    `precision` is the one that was chosen.
    """

    identity: ModelIdentity
    model: Any
    text_tower: TextTower
    preprocess: PreprocessCfg
    logit_scale: float
    device: str
    batch_size: int
    precision: str
    dtype: torch.dtype
    meter: Meter = field(default_factory=Meter)
    _kept: Kept[str, NDArray[np.float32]] = field(default_factory=lambda: Kept(KEPT_TEXTS))
    _prompts: dict[tuple[str, ...], Vectors] = field(default_factory=dict)

    @cached_property
    def square(self) -> Square:
        """How pictures are to be prepared."""
        return square_of(self.preprocess)

    def pictures(self, pixels: Sequence[Pixels]) -> Vectors:
        """Unit vectors (n, d) of pictures prepared as `square` says."""
        vectors = [
            self._pictures(torch.from_numpy(np.stack(rows)))
            for rows in _batches(pixels, self.batch_size)
        ]
        return np.concatenate(vectors)

    def texts(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors (n, d) of texts; the last KEPT_TEXTS ones are kept."""
        found = {text: vector for text in texts if (vector := self._kept.get(text)) is not None}
        found |= self._new_texts(sorted(set(texts) - found.keys()))
        for text, vector in found.items():
            self._kept.put(text, vector)
        return np.stack([found[text] for text in texts])

    def prompts(self, texts: tuple[str, ...]) -> Vectors:
        """`texts` for prompts that are asked for again and again."""
        if texts not in self._prompts:
            self._prompts[texts] = self.texts(texts)
        return self._prompts[texts]

    @property
    def text_tokens(self) -> int:
        """Tokens of a batch of texts."""
        return self.batch_size * TOKENS_A_ROW

    def _new_texts(self, texts: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        found: dict[str, NDArray[np.float32]] = {}
        for numbers, rows in self.text_tower.batches(texts, self.text_tokens):
            found |= zip([texts[number] for number in numbers], self._texts(rows), strict=True)
        return found

    def _texts(self, rows: Sequence[Tensor]) -> Vectors:
        return self._run(self.text_tower.encode, rows, self.text_tokens)

    @cached_property
    def _scaling(self) -> tuple[Tensor, Tensor]:
        """What bytes are multiplied with, and what is added: from 0..255 to how the model was
        trained.
        """
        mean, std = (
            torch.tensor(value, device=self.device).view(1, 3, 1, 1)
            for value in (self.preprocess.mean, self.preprocess.std)
        )
        return 1 / (255 * std), -mean / std

    def _pictures(self, rows: Tensor) -> Vectors:
        scale, shift = self._scaling

        def encode(batch: Tensor, size: int) -> Tensor:
            scaled = (
                filled(batch, size)
                .to(self.device)
                .permute(0, 3, 1, 2)
                .contiguous()
                .float()
                .mul_(scale)
                .add_(shift)
            )
            result: Tensor = self.model.encode_image(scaled.to(self.dtype))
            return result[: len(batch)]

        return self._run(encode, rows, self.batch_size)

    @torch.inference_mode()
    def _run(self, encode: Encode, rows: Rows, size: int) -> Vectors:
        started = time.perf_counter()
        found = normalize(_halving(encode, rows, size).float(), dim=-1).cpu().numpy()
        self.meter.busy_s += time.perf_counter() - started
        self.meter.batches.append(len(rows))
        return np.asarray(found, np.float32)


def _halving(encode: Encode, rows: Rows, size: int) -> Tensor:
    """Half the batch, and half again, where a device has no memory for the whole."""
    try:
        return encode(rows, size)
    except torch.OutOfMemoryError:
        if size <= 1:
            raise
    half = -(-len(rows) // 2)
    return torch.cat(
        [_halving(encode, part, size // 2) for part in (rows[:half], rows[half:]) if len(part)]
    )


def _batches(rows: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))


def square_of(preprocess: PreprocessCfg) -> Square:
    """open_clip's preprocessing as ours. Raises ModelError where ours has none."""
    size = (
        preprocess.size
        if isinstance(preprocess.size, tuple | list)
        else (preprocess.size, preprocess.size)
    )
    if (
        preprocess.resize_mode not in ("shortest", "squash")
        or preprocess.interpolation not in FILTERS
        or size[0] != size[1]
    ):
        raise ModelError(
            f"preprocessing with size {preprocess.size}, {preprocess.resize_mode}, "
            f"{preprocess.interpolation} is not known here: "
            f"use a model with square pictures, `shortest` or `squash`, and {' or '.join(FILTERS)}"
        )
    return Square(size[0], preprocess.interpolation, preprocess.resize_mode == "squash")


def _probe(
    preprocess: PreprocessCfg, tokenize: Callable[[Sequence[str]], Tensor], device: str
) -> Probe:
    """The same noise and the same words on every machine."""
    side = square_of(preprocess).side
    pixels = torch.randn(PROBE_ROWS, 3, side, side, generator=torch.Generator().manual_seed(0))
    tokens = tokenize([" ".join(["picture"] * (number + 1)) for number in range(PROBE_ROWS)])
    return Probe(pixels.to(device), tokens.to(device))


def load_encoder(
    model: ModelSettings, identity: ModelIdentity, settings: EncoderSettings
) -> Encoder:
    """Load a model onto a device; open_clip verifies that the weights fit.

    Raises ModelError where the weights are not those of `identity`, or hold what is no number.
    """
    checkpoint = checkpoint_of(model)
    found = identify(model)
    if found != identity:
        raise ModelError(
            f"the weights on this worker are {found}, the run was started with {identity}"
        )
    local = model.architecture.startswith(LOCAL)
    loaded = open_clip.create_model(
        model.architecture, None if local else str(checkpoint), device=settings.device
    ).eval()
    if not all(bool(torch.isfinite(weights).all()) for weights in loaded.parameters()):
        raise ModelError(
            f"the weights of {identity} hold what is no finite number; the checkpoint is damaged"
        )
    tokenize = open_clip.get_tokenizer(model.architecture)
    logit_scale = float(loaded.logit_scale.detach().exp())
    preprocess = PreprocessCfg(**loaded.visual.preprocess_cfg)
    precise, precision = with_precision(
        loaded, settings.precision, _probe(preprocess, tokenize, settings.device)
    )
    if settings.compile:
        precise.visual = torch.compile(precise.visual)
    return Encoder(
        identity=identity,
        model=precise,
        text_tower=TextTower(precise, tokenize, settings.device),
        preprocess=preprocess,
        logit_scale=logit_scale,
        device=settings.device,
        batch_size=settings.rows,
        precision=precision,
        dtype=next(precise.parameters()).dtype,
    )
