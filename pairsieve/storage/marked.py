"""Folders that pairsieve makes where others keep files, too: a marker says that they may be
removed.
"""

from __future__ import annotations

from pairsieve.storage import files

MARKER = ".made-by-pairsieve"
TEXT = "pairsieve made this folder, and removes it when it is of no more use\n"


class NotOurs(ValueError):
    """A folder stands where one of ours is to be; the message says what to do."""


def mark(folder: str) -> None:
    """Say that a folder is ours; do so before anything is put there. Raises NotOurs where it is
    somebody else's.
    """
    if files.exists(folder) and not is_ours(folder):
        raise NotOurs(f"{folder} is there, and pairsieve did not make it; move it away")
    files.write_text(files.join(folder, MARKER), TEXT)


def is_ours(folder: str) -> bool:
    """Whether a folder has the marker; one that a killed writer was about to mark is ours, too."""
    if files.exists(files.join(folder, MARKER)):
        return True
    return all(name.startswith(MARKER) for name in files.names_in(folder))


def remove_ours(folder: str) -> None:
    """Remove a folder, the marker last; one that is not ours stays as it is."""
    if not files.exists(folder) or not is_ours(folder):
        return
    for name in files.names_in(folder):
        if name != MARKER:
            files.remove_tree(files.join(folder, name))
    files.remove_tree(folder)
