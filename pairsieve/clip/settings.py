"""Settings of CLIP models: which model, and how to run it.

Nothing here imports torch: every command and every worker reads settings, but only those that
score load a model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LOCAL = "local-dir:"
"""open_clip's prefix of an architecture that is a local folder."""

# Default batch sizes. Measured: on a CPU no size is much faster than 32, and 128 is slower.
CPU_BATCH, DEVICE_BATCH = 32, 256

Precision = Literal["auto", "fp32", "bf16", "fp16"]


class ModelError(ValueError):
    """A model cannot be used; the message says what to do."""


@dataclass(frozen=True)
class ModelSettings:
    """How a model is named in the config.

    `architecture` is a name that open_clip knows ("ViT-B-32-quickgelu") or a folder in open_clip's
    own form ("local-dir:PATH"). `pretrained` is a tag ("openai") or a checkpoint (a path, or a URL
    that fsspec reads); it is empty for a folder. `demo` marks a model that was trained on generated
    drawings only.
    """

    architecture: str
    pretrained: str = ""
    demo: bool = False


@dataclass(frozen=True)
class ModelIdentity:
    """Identifies the weights of a model. It is recorded with every score."""

    architecture: str
    weights_sha256: str

    def __str__(self) -> str:
        return f"{self.architecture}@{self.weights_sha256[:16]}"


@dataclass(frozen=True)
class EncoderSettings:
    """How a model is run.

    `device` is torch's name ("cpu", "cuda"). `batch_size` is CPU_BATCH or DEVICE_BATCH unless it is
    given. `precision` "auto" picks the fastest one by a short measurement
    (pairsieve/clip/precision.py). `compile` compiles the picture tower with torch.compile. `passes`
    batches are computed side by side (pairsieve/clip/passes.py).
    """

    device: str = "cpu"
    batch_size: int | None = None
    precision: Precision = "auto"
    compile: bool = False
    passes: int = 1

    @property
    def rows(self) -> int:
        """The number of rows in a batch."""
        if self.batch_size:
            return self.batch_size
        return CPU_BATCH if self.device == "cpu" else DEVICE_BATCH
