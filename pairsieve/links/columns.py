"""Which column of a dataset of links is what.

Known without a mapping, whatever the case of their letters: LAION-400M (SAMPLE_ID, URL, TEXT),
LAION-5B (URL, TEXT, hash), Re-LAION (url, caption, key), DataComp's CommonPool (uid, url, text),
COYO-700M (id, url, text), and ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

KNOWN: Mapping[str, tuple[str, ...]] = {
    "url": ("url", "image_url"),
    "caption": ("text", "caption", "alt_text", "alt"),
    "id": ("sample_id", "uid", "id", "key", "hash"),
}


class MissingColumns(ValueError):
    """A table without a column for URL or caption; the message names what it has."""


@dataclass(frozen=True, slots=True)
class LinkColumns:
    """The names of the columns that hold URL, caption and (if there is one) the row's
    identifier.
    """

    url: str
    caption: str
    id: str | None

    @property
    def names(self) -> list[str]:
        return [name for name in (self.url, self.caption, self.id) if name is not None]


def find_columns(found: Sequence[str], mapping: Mapping[str, str]) -> LinkColumns:
    """The columns of a table, by a mapping of `url`, `caption`, `id` or by known names.

    Raises MissingColumns.
    """
    taken = {
        what: mapping[what] if what in mapping else _known(found, names)
        for what, names in KNOWN.items()
    }
    for what in ("url", "caption"):
        if taken[what] not in found:
            raise MissingColumns(
                f"no column for {what} among {', '.join(found)}; name it under input.columns, for "
                f"example {{{what}: {found[0]}}}"
            )
    return LinkColumns(
        str(taken["url"]), str(taken["caption"]), taken["id"] if taken["id"] in found else None
    )


def _known(found: Sequence[str], names: Sequence[str]) -> str | None:
    by_lower = {name.lower(): name for name in reversed(found)}
    return next((by_lower[name] for name in names if name in by_lower), None)
