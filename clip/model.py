"""A CLIP model by open_clip's names, and what identifies it.

`architecture` is a name that open_clip knows ("ViT-B-32-quickgelu") or a folder in open_clip's own form
("local-dir:PATH"); `pretrained` is a tag ("openai") or a checkpoint path, and is empty for a folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from torch import Tensor

LOCAL = "local-dir:"
WEIGHT_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")

Vectors = NDArray[np.float32]


class ModelError(ValueError):
    """A model that cannot be used; the message says what to do."""


@dataclass(frozen=True)
class ModelSettings:
    """How a model is named in the config. `demo` marks a model that knows generated drawings alone."""

    architecture: str
    pretrained: str = ""
    demo: bool = False


@dataclass(frozen=True)
class ModelIdentity:
    """Which weights these are: recorded with every score."""

    architecture: str
    weights_sha256: str

    def __str__(self) -> str:
        return f"{self.architecture}@{self.weights_sha256[:16]}"


def checkpoint_of(settings: ModelSettings) -> Path:
    """The weights file of a model; a pretrained tag is downloaded to open_clip's cache once.

    Raises ModelError where there is none.
    """
    if settings.architecture.startswith(LOCAL):
        folder = Path(settings.architecture.removeprefix(LOCAL))
        found = next((folder / name for name in WEIGHT_FILES if (folder / name).is_file()), None)
        if found is None:
            raise ModelError(f"no model in {folder}: expected open_clip_config.json and {' or '.join(WEIGHT_FILES)}")
        return found
    if settings.architecture not in open_clip.list_models():
        raise ModelError(f"open_clip knows no model {settings.architecture!r}; `open_clip.list_models()` names them")
    if Path(settings.pretrained).is_file():
        return Path(settings.pretrained)
    tags = open_clip.list_pretrained_tags_by_model(settings.architecture)
    if settings.pretrained not in tags:
        known = ", ".join(tags) or "none"
        raise ModelError(f"{settings.pretrained!r} is neither a checkpoint file nor a tag of {settings.architecture}; tags: {known}")
    return _download(settings)


def _download(settings: ModelSettings) -> Path:
    config = open_clip.get_pretrained_cfg(settings.architecture, settings.pretrained)
    try:
        return Path(open_clip.download_pretrained(config))
    except OSError as error:
        raise ModelError(
            f"the weights {settings.architecture}/{settings.pretrained} are not in the cache and cannot be downloaded "
            f"({type(error).__name__}); give a checkpoint path as `pretrained`"
        ) from None


def identify(settings: ModelSettings) -> ModelIdentity:
    """Architecture and sha256 of the weights. Raises ModelError where there are none."""
    with checkpoint_of(settings).open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    name = settings.architecture
    return ModelIdentity(Path(name.removeprefix(LOCAL)).name if name.startswith(LOCAL) else name, digest)


@dataclass(frozen=True)
class Encoder:
    """A loaded model: unit vectors of pictures and texts, float32 on the CPU.

    Both towers work in batches of `batch_size`, so that equal input gives equal bits.
    """

    identity: ModelIdentity
    model: Any
    tokenize: Callable[[Sequence[str]], Tensor]
    preprocess: Callable[[Image.Image], Tensor]
    device: str
    batch_size: int
    _kept_texts: dict[tuple[str, ...], Vectors] = field(default_factory=dict)

    def cached_texts(self, texts: tuple[str, ...]) -> Vectors:
        """`texts` for prompts that are asked for again and again."""
        if texts not in self._kept_texts:
            self._kept_texts[texts] = self.texts(texts)
        return self._kept_texts[texts]

    @property
    def logit_scale(self) -> float:
        return float(self.model.logit_scale.detach().exp())

    @torch.inference_mode()
    def pictures(self, pixels: Sequence[Tensor]) -> Vectors:
        """Unit vectors (n, d) of at most one batch of preprocessed pictures."""
        vectors = self.model.encode_image(torch.stack(list(pixels)).to(self.device), normalize=True)
        return np.asarray(vectors.float().cpu().numpy(), np.float32)

    @torch.inference_mode()
    def texts(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors (n, d) of any number of texts."""
        batches = (texts[start : start + self.batch_size] for start in range(0, len(texts), self.batch_size))
        vectors = [self.model.encode_text(self.tokenize(batch).to(self.device), normalize=True) for batch in batches]
        return np.asarray(torch.cat(vectors).float().cpu().numpy(), np.float32)


def load_encoder(settings: ModelSettings, identity: ModelIdentity, device: str, batch_size: int) -> Encoder:
    """Load a model onto a device ("cpu", "cuda"); open_clip verifies that the weights fit.

    Raises ModelError where the weights are not those of `identity`.
    """
    checkpoint = checkpoint_of(settings)
    found = identify(settings)
    if found != identity:
        raise ModelError(f"the weights on this worker are {found}, the run was started with {identity}")
    local = settings.architecture.startswith(LOCAL)
    model = open_clip.create_model(settings.architecture, None if local else str(checkpoint), device=device).eval()
    config = PreprocessCfg(**model.visual.preprocess_cfg)
    return Encoder(
        identity=identity,
        model=model,
        tokenize=open_clip.get_tokenizer(settings.architecture),
        preprocess=image_transform_v2(config, is_train=False),
        device=device,
        batch_size=batch_size,
    )
