"""Finds the columns of URL, caption and identifier in a dataset of links.

These datasets need no mapping; upper and lower case are the same: LAION-400M (SAMPLE_ID, URL,
TEXT), LAION-5B (URL, TEXT, hash), Re-LAION (url, caption, key), DataComp's CommonPool (uid, url,
text), COYO-700M (id, url, text), and ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

KNOWN: Mapping[str, tuple[str, ...]] = {
    "url": ("url", "image_url"),
    "caption": ("text", "caption", "alt_text", "alt"),
    "id": ("sample_id", "uid", "id", "key", "hash"),
}
"""Role of a column -> its known names in lower case, the preferred one first."""


class MissingColumns(ValueError):
    """A table has no column for URL or caption. The message lists the columns that it has."""


@dataclass(frozen=True, slots=True)
class LinkColumns:
    """The names of the columns of URL, caption and identifier. `id` is None if there is none."""

    url: str
    caption: str
    id: str | None

    @property
    def names(self) -> list[str]:
        """The names of the columns that the table has."""
        return [name for name in (self.url, self.caption, self.id) if name is not None]


def find_columns(columns: Sequence[str], mapping: Mapping[str, str]) -> LinkColumns:
    """Find the columns of a table, by a mapping of `url`, `caption`, `id`, or by known names.

    Raises MissingColumns.
    """
    chosen = {}
    for role, known_names in KNOWN.items():
        # The config's own mapping comes before known names.
        chosen[role] = mapping[role] if role in mapping else _first_known(columns, known_names)
    for role in ("url", "caption"):
        if chosen[role] not in columns:
            raise MissingColumns(
                f"no column for {role} among {', '.join(columns)}; name it under input.columns, "
                f"for example {{{role}: {columns[0]}}}"
            )
    id_column = chosen["id"] if chosen["id"] in columns else None
    return LinkColumns(str(chosen["url"]), str(chosen["caption"]), id_column)


def _first_known(columns: Sequence[str], known_names: Sequence[str]) -> str | None:
    """The column with the first of some names, in any case; None if there is none."""
    # Reversed, so that of columns that differ in case alone the first one wins.
    by_lower = {column.lower(): column for column in reversed(columns)}
    for name in known_names:
        if name in by_lower:
            return by_lower[name]
    return None
