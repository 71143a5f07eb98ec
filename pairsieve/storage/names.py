"""Names of files that data gives: none may lead out of its folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from pairsieve.storage import files


class LeadsOut(ValueError):
    """A name that is no relative path, or a folder that is a link; the message says which."""


def check_names(folder: str, names: Iterable[Any]) -> None:
    """Raise LeadsOut unless each name is a plain relative path below a folder, without a link in
    between.

    A file may be a link itself, as in the caches of hubs: writing it anew replaces the link.
    """
    parents = set[str]()
    for name in names:
        if not isinstance(name, str) or not _is_plain(name):
            raise LeadsOut(f"it names the file {name!r}, which is no plain path below it")
        parents.add(name.rpartition("/")[0])
    if files.is_local(folder):
        _check_links(Path(files.filesystem(folder)[1]), parents)


def _is_plain(name: str) -> bool:
    """Whether every library takes it for a path of names, and none for an address or a way up."""
    if any(sign in name for sign in ("\\", "\0", "://", "::")) or name.startswith("/"):
        return False
    parts = name.split("/")
    return bool(name) and not {"", ".", ".."} & set(parts) and str(PurePosixPath(name)) == name


def _check_links(folder: Path, parents: Iterable[str]) -> None:
    real = folder.resolve()
    for parent in sorted(parents):
        if (folder / parent).resolve() != real / parent:
            raise LeadsOut(f"its folder {parent} is a link, which leads elsewhere")


def lies_in(path: str, folder: str) -> bool:
    """Whether a path is a folder, or below it, by whatever links."""
    if files.is_local(path) != files.is_local(folder):
        return False
    if not files.is_local(path):
        return files.join(path, "").startswith(files.join(folder, ""))
    inner, outer = (Path(files.filesystem(at)[1]).resolve() for at in (path, folder))
    return inner == outer or outer in inner.parents
