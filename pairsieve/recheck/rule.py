"""The rule that decides which published links are taken out, on what rechecks have seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pairsieve.images.pdq import ALIKE
from pairsieve.recheck.links import Link

Reason = Literal["reserved", "changed", "gone", "unreachable", "page_reserved"]
"""Why a row was taken out. They never change their meaning. `page_reserved` is said by a newer
crawl of the row's page."""

GONE_AFTER = 2


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """What the rule reads of a published row; empty where the dataset does not have it."""

    sha256: str = ""
    fetched_at: str = ""


@dataclass(frozen=True)
class RecheckRule:
    """Which links are taken out.

    - A link that its publisher reserves now, at once.
    - A link that serves other bytes than the published picture, at once. With `keep_alike` it stays
      where the picture looks the same: PDQ hashes that differ in at most ALIKE (31) bits, which
      Meta's paper takes for the same picture.
    - A link that served no picture in `gone_after` rechecks of different days.
    - A link that did not answer in `unreachable_after` rechecks of different days in a row; None
      lets it stay for ever: a server that is down is not a no.
    """

    gone_after: int = GONE_AFTER
    unreachable_after: int | None = None
    keep_alike: bool = False

    def may_take_out(self, link: Link) -> bool:
        """Whether `judge` may take out a row of this link. Most links need not stay in memory."""
        is_suspect = bool(link.reserved_since or link.changed_since or link.row_hashes > 1)
        return is_suspect or self._is_missing(link) is not None

    def judge(self, link: Link, row: PublishedRow) -> Reason | None:
        """Why a row is taken out; None where it stays."""
        # A later run has fetched it anew, and judged what it got.
        if row.fetched_at and row.fetched_at > link.asked_at:
            return None
        if link.reserved_since:
            return "reserved"
        if self._is_other(link, row.sha256):
            return "changed"
        return self._is_missing(link)

    def _is_missing(self, link: Link) -> Reason | None:
        if link.gone_times >= self.gone_after:
            return "gone"
        if self.unreachable_after and link.unreachable_times >= self.unreachable_after:
            return "unreachable"
        return None

    def _is_other(self, link: Link, row_sha256: str) -> bool:
        is_other = bool(link.changed_since)
        if link.sha256 and row_sha256:
            is_other = link.sha256 != row_sha256
        if not is_other:
            return False
        looks_alike = link.pdq_distance is not None and link.pdq_distance <= ALIKE
        return not (self.keep_alike and looks_alike)
