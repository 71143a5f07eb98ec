"""A loaded CLIP model: pictures and texts to unit vectors.

A batch of pictures is padded to `batch_size` rows, a batch of texts to `batch_size` *
TOKENS_A_ROW tokens. So a vector depends on its own picture or text alone, to the last bit, and not
on the rest of its batch. That is why vectors may be cached.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import open_clip
import torch
from cachetools import LRUCache
from numpy.typing import NDArray
from open_clip.transform import PreprocessCfg
from torch import Tensor
from torch.nn.functional import normalize

from pairsieve.clip.filled import filled
from pairsieve.clip.model import checkpoint_of, identify
from pairsieve.clip.passes import Meter, in_order, open_passes
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
"""(rows of a batch, size to pad the batch to) -> vectors (n, d).

The size is a number of rows for pictures, and a number of tokens for texts.
"""

# Captions whose vectors are cached between parts: 40 MB at 512 dimensions.
KEPT_TEXTS = 20_000
PROBE_ROWS = 8

# Tokens in a batch of texts for each row of `batch_size`. Measured; a picture has about as many.
TOKENS_A_ROW = 48


@dataclass(frozen=True)
class Encoder:
    """Gives unit vectors (float32, on the CPU) of pictures and texts.

    `precision` is the chosen one, never "auto". Batches are computed on the threads of `executor`,
    `passes` at once.
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
    passes: int
    executor: ThreadPoolExecutor
    meter: Meter = field(default_factory=Meter)
    _text_cache: MutableMapping[str, Vectors] = field(default_factory=lambda: LRUCache(KEPT_TEXTS))
    _prompts: dict[tuple[str, ...], Vectors] = field(default_factory=dict)

    @cached_property
    def square(self) -> Square:
        """How pictures must be prepared for this model."""
        return square_of(self.preprocess)

    def pictures(self, pixels: Sequence[Pixels]) -> Vectors:
        """Unit vectors (n, d) of pictures that were prepared as `square` says."""
        batches = _batches(pixels, self.batch_size)
        vectors = in_order(self.executor, self._encode_pictures, batches, self.passes)
        return np.concatenate(list(vectors))

    def start_pictures(self, pixels: Sequence[Pixels]) -> Future[Vectors]:
        """Start a batch of at most `batch_size` pictures; its result is that of `pictures`."""
        return self.executor.submit(self._encode_pictures, pixels)

    def texts(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors (n, d) of texts. The last KEPT_TEXTS of them are cached."""
        vectors: dict[str, Vectors] = {}
        for text in texts:
            vector = self._text_cache.get(text)
            if vector is not None:
                vectors[text] = vector
        vectors |= self._encode_texts(sorted(set(texts) - vectors.keys()))
        self._text_cache.update(vectors)
        return np.stack([vectors[text] for text in texts])

    def prompts(self, texts: tuple[str, ...]) -> Vectors:
        """Like `texts`, for the prompts of detectors: these are never evicted."""
        if texts not in self._prompts:
            self._prompts[texts] = self.texts(texts)
        return self._prompts[texts]

    @property
    def text_tokens(self) -> int:
        """The number of tokens in a batch of texts."""
        return self.batch_size * TOKENS_A_ROW

    def _encode_texts(self, texts: Sequence[str]) -> dict[str, Vectors]:
        tokens = self.text_tokens

        def encode(batch: tuple[list[int], list[Tensor]]) -> tuple[list[int], Vectors]:
            indices, token_rows = batch
            return indices, self._run(self.text_tower.encode, token_rows, tokens)

        batches = self.text_tower.batches(texts, tokens)
        vectors: dict[str, Vectors] = {}
        for indices, encoded in in_order(self.executor, encode, batches, self.passes):
            for index, vector in zip(indices, encoded, strict=True):
                vectors[texts[index]] = vector
        return vectors

    @cached_property
    def _scaling(self) -> tuple[Tensor, Tensor]:
        """The factor and the offset that turn bytes (0..255) into what the model was trained on."""
        mean = self._per_channel(self.preprocess.mean)
        std = self._per_channel(self.preprocess.std)
        return 1 / (255 * std), -mean / std

    def _per_channel(self, values: Any) -> Tensor:
        return torch.tensor(values, device=self.device).view(1, 3, 1, 1)

    def _encode_pictures(self, pictures: Sequence[Pixels]) -> Vectors:
        rows = torch.from_numpy(np.stack(pictures))
        scale, shift = self._scaling

        def encode(batch: Tensor, size: int) -> Tensor:
            # Bytes are moved to the device, and only there become floats of four times the size.
            pixels = filled(batch, size).to(self.device)
            channels_first = pixels.permute(0, 3, 1, 2).contiguous()
            scaled = channels_first.float().mul_(scale).add_(shift)
            vectors: Tensor = self.model.encode_image(scaled.to(self.dtype))
            return vectors[: len(batch)]

        return self._run(encode, rows, self.batch_size)

    @torch.inference_mode()
    def _run(self, encode: Encode, rows: Rows, size: int) -> Vectors:
        started = time.perf_counter()
        vectors = _encode_in_halves(encode, rows, size).float()
        unit_vectors = normalize(vectors, dim=-1).cpu().numpy()
        self.meter.add(time.perf_counter() - started, len(rows))
        return np.asarray(unit_vectors, np.float32)


def _encode_in_halves(encode: Encode, rows: Rows, size: int) -> Tensor:
    """Encode a batch. Where the device lacks the memory, encode its halves one after the other."""
    try:
        return encode(rows, size)
    except torch.OutOfMemoryError:
        if size <= 1:
            raise
    half = -(-len(rows) // 2)  # rounded up
    halves = [part for part in (rows[:half], rows[half:]) if len(part)]
    return torch.cat([_encode_in_halves(encode, part, size // 2) for part in halves])


def _batches(rows: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def square_of(preprocess: PreprocessCfg) -> Square:
    """Translate open_clip's preprocessing into ours.

    Raises ModelError for a preprocessing that we do not have.
    """
    size = preprocess.size
    width, height = size if isinstance(size, tuple | list) else (size, size)
    is_known = (
        width == height
        and preprocess.resize_mode in ("shortest", "squash")
        and preprocess.interpolation in FILTERS
    )
    if not is_known:
        raise ModelError(
            f"preprocessing with size {preprocess.size}, {preprocess.resize_mode}, "
            f"{preprocess.interpolation} is not supported: use a model with square pictures, "
            f"`shortest` or `squash`, and {' or '.join(FILTERS)}"
        )
    return Square(width, preprocess.interpolation, preprocess.resize_mode == "squash")


def _probe(
    preprocess: PreprocessCfg, tokenize: Callable[[Sequence[str]], Tensor], device: str
) -> Probe:
    """The same noise and the same words on every machine."""
    side = square_of(preprocess).side
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randn(PROBE_ROWS, 3, side, side, generator=generator)
    texts = [" ".join(["picture"] * words) for words in range(1, PROBE_ROWS + 1)]
    return Probe(pixels.to(device), tokenize(texts).to(device))


def load_encoder(
    model: ModelSettings,
    identity: ModelIdentity,
    settings: EncoderSettings,
    executor: ThreadPoolExecutor | None = None,
) -> Encoder:
    """Load a model onto a device.

    Models that work at the same time share an `executor` (`open_passes`). open_clip checks that the
    weights fit the architecture. Raises ModelError when the weights are not those of `identity`, or
    when one of them is not a finite number.
    """
    loaded = _load_checked(model, identity, settings.device)
    tokenize = open_clip.get_tokenizer(model.architecture)
    # Read the scale before the precision changes: a half-precision scale would be rounded.
    logit_scale = float(loaded.logit_scale.detach().exp())
    preprocess = PreprocessCfg(**loaded.visual.preprocess_cfg)
    probe = _probe(preprocess, tokenize, settings.device)
    converted, precision = with_precision(loaded, settings.precision, probe)
    if settings.compile:
        converted.visual = torch.compile(converted.visual)
    return Encoder(
        identity=identity,
        model=converted,
        text_tower=TextTower(converted, tokenize, settings.device),
        preprocess=preprocess,
        logit_scale=logit_scale,
        device=settings.device,
        batch_size=settings.rows,
        precision=precision,
        dtype=next(converted.parameters()).dtype,
        passes=settings.passes,
        executor=executor or open_passes(settings.passes),
    )


def _load_checked(model: ModelSettings, identity: ModelIdentity, device: str) -> Any:
    checkpoint = checkpoint_of(model)
    identity_here = identify(model)
    if identity_here != identity:
        raise ModelError(
            f"the weights on this worker are {identity_here}, but the run was started with "
            f"{identity}; give all workers the same checkpoint"
        )
    # open_clip finds the weights of a local folder by itself.
    is_local = model.architecture.startswith(LOCAL)
    weights_path = None if is_local else str(checkpoint)
    loaded = open_clip.create_model(model.architecture, weights_path, device=device).eval()
    if not all(bool(torch.isfinite(weights).all()) for weights in loaded.parameters()):
        raise ModelError(
            f"the weights of {identity} contain values that are not finite; the checkpoint is "
            "damaged"
        )
    return loaded
