"""Checks of file names that come from data: none may lead out of its folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from pairsieve.storage import files


class LeadsOut(ValueError):
    """A file name that may lead out of its folder. The message says which, and why."""


def check_names(folder: str, names: Iterable[Any]) -> None:
    """Raise LeadsOut unless each name is a plain relative path that stays below a folder.

    The folders on the way to a file may not be links. The file itself may be one, as in the caches
    of model hubs: writing it again replaces the link.
    """
    parents = set[str]()
    for name in names:
        if not isinstance(name, str) or not _is_plain(name):
            raise LeadsOut(f"it names the file {name!r}, which is not a plain path below it")
        parents.add(name.rpartition("/")[0])
    if files.is_local(folder):
        _check_links(Path(files.filesystem(folder)[1]), parents)


def _is_plain(name: str) -> bool:
    """Whether every library reads the name as a path of folder names and a file name.

    No library may read it as an absolute path, a way up, or an address.
    """
    # Windows paths, ends of C strings, URLs, and fsspec's chains of URLs.
    if any(sign in name for sign in ("\\", "\0", "://", "::")):
        return False
    # An empty name, an absolute path and a way up (or to where one is) have such parts.
    if {"", ".", ".."} & set(name.split("/")):
        return False
    return str(PurePosixPath(name)) == name


def _check_links(folder: Path, parents: Iterable[str]) -> None:
    real_folder = folder.resolve()
    for parent in sorted(parents):
        if (folder / parent).resolve() != real_folder / parent:
            raise LeadsOut(f"its folder {parent} is a link, which leads elsewhere")


def lies_in(path: str, folder: str) -> bool:
    """Whether a path is a folder or lies below it. Links are followed on a local disk."""
    is_local = files.is_local(path)
    if is_local != files.is_local(folder):
        return False
    if not is_local:
        # Compare with a slash at the end, so that `a/bc` does not lie in `a/b`.
        return files.join(path, "").startswith(files.join(folder, ""))
    inner = Path(files.filesystem(path)[1]).resolve()
    outer = Path(files.filesystem(folder)[1]).resolve()
    return inner == outer or outer in inner.parents
