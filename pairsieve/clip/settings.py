"""Settings of CLIP models: which one, and how it is run. Nothing here imports torch.

Every command and every worker reads settings; only those that score load a model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LOCAL = "local-dir:"
"""What the architecture of a model in a local folder begins with, as open_clip has it."""

# Measured: on a CPU no size is faster than 32 by much, and 128 is slower.
CPU_BATCH, DEVICE_BATCH = 32, 256

Precision = Literal["auto", "fp32", "bf16", "fp16"]


class ModelError(ValueError):
    """A model that cannot be used; the message says what to do."""


@dataclass(frozen=True)
class ModelSettings:
    """How a model is named in the config.

    `architecture` is a name that open_clip knows ("ViT-B-32-quickgelu") or a folder in open_clip's
    own form ("local-dir:PATH"). `pretrained` is a tag ("openai") or a checkpoint (a path, or a URL
    that fsspec reads); it is empty for a folder. `demo` marks a model that knows only generated
    drawings.
    """

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


@dataclass(frozen=True)
class EncoderSettings:
    """How a model is run.

    `device` is torch's name ("cpu", "cuda"). Without `batch_size` it is CPU_BATCH or DEVICE_BATCH.
    With `precision` "auto" the fastest one is found by a short measurement. With `compile` the
    picture tower goes through torch.compile.
    """

    device: str = "cpu"
    batch_size: int | None = None
    precision: Precision = "auto"
    compile: bool = False

    @property
    def rows(self) -> int:
        """Rows of a batch."""
        if self.batch_size:
            return self.batch_size
        return CPU_BATCH if self.device == "cpu" else DEVICE_BATCH
