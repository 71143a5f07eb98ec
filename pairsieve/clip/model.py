"""Finds the weights file of a CLIP model, and identifies the model by it.

open_clip takes seconds to import. It is imported only for models that it knows by name: a model in
a local folder is found and identified without it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import fsspec

from pairsieve.clip.settings import LOCAL, ModelError, ModelIdentity, ModelSettings

WEIGHT_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
CACHE = Path("~/.cache/pairsieve")


def checkpoint_of(settings: ModelSettings) -> Path:
    """The weights file of a model. Raises ModelError when there is none.

    A pretrained tag is downloaded once, to open_clip's cache. A checkpoint by URL is copied once,
    to CACHE.
    """
    if settings.architecture.startswith(LOCAL):
        return _weights_in(Path(settings.architecture.removeprefix(LOCAL)))
    import open_clip

    if settings.architecture not in open_clip.list_models():
        raise ModelError(
            f"open_clip knows no model {settings.architecture!r}; `open_clip.list_models()` names "
            "them"
        )
    if "://" in settings.pretrained:
        return _copy_here(settings.pretrained)
    if Path(settings.pretrained).is_file():
        return Path(settings.pretrained)
    tags = open_clip.list_pretrained_tags_by_model(settings.architecture)
    if settings.pretrained not in tags:
        known = ", ".join(tags) or "none"
        raise ModelError(
            f"{settings.pretrained!r} is neither a checkpoint file nor a tag of "
            f"{settings.architecture}; tags: {known}"
        )
    return _download(settings)


def _weights_in(folder: Path) -> Path:
    for name in WEIGHT_FILES:
        if (folder / name).is_file():
            return folder / name
    raise ModelError(
        f"no model in {folder}: expected open_clip_config.json and {' or '.join(WEIGHT_FILES)}"
    )


def _download(settings: ModelSettings) -> Path:
    import open_clip

    config = open_clip.get_pretrained_cfg(settings.architecture, settings.pretrained)
    try:
        return Path(open_clip.download_pretrained(config))
    except OSError as error:
        raise ModelError(
            f"the weights {settings.architecture}/{settings.pretrained} are not in the cache and "
            f"cannot be downloaded ({type(error).__name__}); give a checkpoint path as `pretrained`"
        ) from None


def _copy_here(url: str) -> Path:
    """Copy a remote checkpoint to this machine, and again when it has changed."""
    folder = CACHE.expanduser() / hashlib.sha256(url.encode()).hexdigest()[:16]
    options = {"cache_storage": str(folder), "same_names": True, "check_files": True}
    try:
        return Path(fsspec.open_local(f"filecache::{url}", filecache=options))
    except (OSError, ValueError, ImportError) as error:
        raise ModelError(
            f"the checkpoint {url} cannot be read ({type(error).__name__}); check that it exists "
            "and that you may read it"
        ) from None


def identify(settings: ModelSettings) -> ModelIdentity:
    """Architecture and sha256 of the weights. Raises ModelError when there are no weights."""
    with checkpoint_of(settings).open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    name = settings.architecture
    if name.startswith(LOCAL):
        name = Path(name.removeprefix(LOCAL)).name  # the folder may differ between machines
    return ModelIdentity(name, digest)
