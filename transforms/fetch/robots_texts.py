"""What sites said of the use of their content in earlier runs, one file a bucket of hosts, so that
no site is asked twice a day.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pairsieve.storage import files
from pairsieve.web.sites import SiteTexts
from pairsieve.web.urls import bucket_of_url


@dataclass(frozen=True)
class SitesShelf:
    """Where their files lie, of how many buckets, and how old they may be (RFC 9309, 2.4: a
    day).
    """

    folder: str
    buckets: int
    max_age_s: float

    def path(self, bucket: int) -> str:
        return files.join(self.folder, f"sites-{bucket:05d}-of-{self.buckets:05d}.json")

    def read(self, buckets: Iterable[int]) -> dict[str, SiteTexts]:
        """Those of some buckets by origin, without what is too old."""
        oldest = time.time() - self.max_age_s
        found = (
            json.loads(files.read_text(self.path(bucket)))
            for bucket in buckets
            if files.exists(self.path(bucket))
        )
        return {
            origin: SiteTexts(texts, at)
            for entries in found
            for origin, (texts, at) in entries.items()
            if at > oldest
        }

    def write(self, buckets: Iterable[int], sites: Mapping[str, SiteTexts]) -> None:
        """Put those of some buckets in place; of other hosts, to which redirects led, none is
        kept.
        """
        shelved: dict[int, dict[str, tuple[Mapping[str, str], float]]] = {
            bucket: {} for bucket in buckets
        }
        for origin, site in sites.items():
            bucket = bucket_of_url(origin, self.buckets)
            if bucket in shelved:
                shelved[bucket][origin] = (site.texts, site.read_at)
        for bucket, entries in shelved.items():
            if entries:
                files.write_text(self.path(bucket), json.dumps(entries, ensure_ascii=False))
