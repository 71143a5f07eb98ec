"""Markers in folders that pairsieve made, so that it never removes a folder of somebody else."""

from __future__ import annotations

from pairsieve.storage import files

MARKER = ".made-by-pairsieve"
TEXT = "pairsieve made this folder, and removes it when it is of no more use\n"


class NotOurs(ValueError):
    """A folder is in the way that pairsieve did not make. The message says what to do."""


def mark(folder: str) -> None:
    """Put the marker into a folder, before anything else is written there. Raises NotOurs."""
    if files.exists(folder) and not is_ours(folder):
        raise NotOurs(f"{folder} exists, and pairsieve did not make it; move it away")
    files.write_text(files.join(folder, MARKER), TEXT)


def is_ours(folder: str) -> bool:
    """Whether pairsieve made a folder."""
    if files.exists(files.join(folder, MARKER)):
        return True
    # A writer that was killed in `mark` leaves nothing, or only a temporary file of the marker.
    return all(name.startswith(MARKER) for name in files.names_in(folder))


def remove_ours(folder: str) -> None:
    """Remove a folder that pairsieve made. Any other folder is left as it is."""
    if not files.exists(folder) or not is_ours(folder):
        return
    # The marker goes last: if this is interrupted, what is left is still marked.
    for name in files.names_in(folder):
        if name != MARKER:
            files.remove_tree(files.join(folder, name))
    files.remove_tree(folder)
