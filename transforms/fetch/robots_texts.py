"""Keeps the robots.txt and other rights files of sites between runs.

There is one file for each bucket of hosts. A site is not asked again before its texts are too old.
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
class SiteTextCache:
    """The texts of sites in a folder.

    `max_age_s`: older texts are not used (RFC 9309, 2.4 recommends a day at most).
    """

    folder: str
    buckets: int
    max_age_s: float

    def path(self, bucket: int) -> str:
        """The file of a bucket of hosts."""
        return files.join(self.folder, f"sites-{bucket:05d}-of-{self.buckets:05d}.json")

    def read(self, buckets: Iterable[int]) -> dict[str, SiteTexts]:
        """Origin -> texts, of some buckets, without those that are too old."""
        oldest = time.time() - self.max_age_s
        sites: dict[str, SiteTexts] = {}
        for bucket in buckets:
            path = self.path(bucket)
            if not files.exists(path):
                continue
            for origin, (texts, read_at) in json.loads(files.read_text(path)).items():
                if read_at > oldest:
                    sites[origin] = SiteTexts(texts, read_at)
        return sites

    def write(self, buckets: Iterable[int], sites: Mapping[str, SiteTexts]) -> None:
        """Write the texts of some buckets.

        Sites of other buckets, to which redirects led, are left out: another worker writes those
        files.
        """
        by_bucket: dict[int, dict[str, tuple[Mapping[str, str], float]]] = {}
        for bucket in buckets:
            by_bucket[bucket] = {}
        for origin, site in sites.items():
            bucket = bucket_of_url(origin, self.buckets)
            if bucket in by_bucket:
                by_bucket[bucket][origin] = (site.texts, site.read_at)
        for bucket, entries in by_bucket.items():
            if entries:
                # Lanes that share a bucket write the same file. The last one wins: a site that only
                # another had is asked again by the next run.
                files.write_text(self.path(bucket), json.dumps(entries, ensure_ascii=False))
