"""Counts the registered domains of many URLs at a time."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc

from pairsieve.web.urls import registered_domain

ORIGIN = r"^(?P<origin>[^:/?#]+://[^/?#]*)"
"""Scheme and authority of a URL (RFC 3986, appendix B). The registered domain depends on no more.

Many URLs share them, so that the list of public suffixes is asked once for each.
"""


def count_domains(urls: pa.ChunkedArray) -> Counter[str]:
    """Registered domain -> how many of the URLs have it; no URL counts as an empty one."""
    texts = pc.fill_null(urls, "")
    origins = pc.struct_field(pc.extract_regex(texts, ORIGIN), "origin")
    # What has no such beginning stands for itself.
    origins = pc.coalesce(origins, texts)
    rows_of: Counter[str] = Counter()
    for counted in pc.value_counts(origins).to_pylist():
        rows_of[registered_domain(counted["values"])] += counted["counts"]
    return rows_of
