"""Reads the manifest of a dataset, and refuses one that is damaged or leads out of its folder."""

from __future__ import annotations

from pairsieve.records.manifest import MANIFEST, BadManifest, Manifest, parse_manifest
from pairsieve.storage import files
from pairsieve.storage.names import LeadsOut, check_names

# Begins the names of folders in which a command writes before it puts anything in place.
UNFINISHED = "unfinished-"


class NoSuchDataset(ValueError):
    """There is no dataset, row or secret where one is named; the message says what to give."""


def read_manifest(dataset: str) -> Manifest:
    """Read the manifest of an output directory.

    A stranger may have written it, so the files that it lists must lie in the dataset. Raises
    NoSuchDataset.
    """
    path = files.join(dataset, MANIFEST)
    if not files.exists(path):
        raise NoSuchDataset(f"{dataset} holds no {MANIFEST}; {_advice(dataset)}")
    try:
        manifest = parse_manifest(files.read_text(path))
    except (BadManifest, UnicodeDecodeError) as error:
        raise NoSuchDataset(
            f"{path} is damaged, or no manifest of pairsieve: {error}. Run the dataset's command "
            "again, or take a whole copy of it"
        ) from None
    try:
        check_names(dataset, [listed.path for listed in manifest.files])
    except LeadsOut as error:
        raise NoSuchDataset(
            f"{path} cannot be used: {error}. Take a copy from somebody whom you trust"
        ) from None
    return manifest


def _advice(dataset: str) -> str:
    """What to do about a folder without a manifest."""
    if any(name.startswith(UNFINISHED) for name in files.names_in(dataset)):
        return "a run or an erasure was cut off there, and the same command finishes it"
    return "give the output directory of a finished run"
