"""The columns that say where a row comes from: its page, and its image as it was served."""

from __future__ import annotations

import pyarrow as pa

from pairsieve.records.column import Column, copied

PAGE: tuple[Column, ...] = (
    Column(
        name="page_source",
        type=pa.string(),
        source="extract",
        privacy="neutral",
        meaning="what was seen of the page: warc (all), wat (a part) or none",
        value=copied("page_source"),
    ),
    Column(
        name="page_url",
        type=pa.string(),
        source="extract",
        privacy="address",
        meaning="page on which the image stands",
        value=copied("page_url"),
    ),
    Column(
        name="image_attribute",
        type=pa.string(),
        source="extract",
        privacy="neutral",
        meaning="what named the image: src, srcset, picture, lazy; empty where no page was seen",
        value=copied("image_attribute"),
    ),
    Column(
        name="caption_source",
        type=pa.string(),
        source="extract",
        privacy="neutral",
        meaning=(
            "where the caption stood: alt, title, aria-label or figcaption; empty without a page"
        ),
        value=copied("caption_source"),
    ),
    Column(
        name="warc_file",
        type=pa.string(),
        source="extract",
        privacy="neutral",
        meaning="file that holds the page, or the row of the dataset that it came from",
        value=copied("public_warc_file"),
    ),
    Column(
        name="record_offset",
        type=pa.int64(),
        unit="bytes",
        source="extract",
        privacy="neutral",
        meaning="where the page's record begins, or the number of the row",
        value=copied("record_offset"),
    ),
    Column(
        name="record_id",
        type=pa.string(),
        source="extract",
        privacy="neutral",
        meaning="WARC-Record-ID of the page, or the row's own identifier",
        value=copied("record_id"),
    ),
    Column(
        name="payload_digest",
        type=pa.string(),
        source="extract",
        privacy="fingerprint",
        meaning="WARC-Payload-Digest of the page",
        value=copied("payload_digest"),
    ),
    Column(
        name="crawl_time",
        type=pa.string(),
        unit="ISO 8601 UTC",
        source="extract",
        privacy="neutral",
        meaning="when the page was crawled",
        value=copied("crawl_time"),
    ),
)

PDQ_COLUMNS = ("pdq", "pdq_trimmed")
"""Columns with a PDQ hash of the picture: as it is, and without its borders."""

IMAGE: tuple[Column, ...] = (
    Column(
        name="final_url",
        type=pa.string(),
        source="fetch",
        privacy="address",
        meaning="image URL after redirects",
        value=copied("final_url"),
    ),
    Column(
        name="fetched_at",
        type=pa.string(),
        unit="ISO 8601 UTC",
        source="fetch",
        privacy="neutral",
        meaning="when the image was fetched (or crawled)",
        value=copied("fetched_at"),
    ),
    Column(
        name="http_status",
        type=pa.int32(),
        source="fetch",
        privacy="neutral",
        meaning="HTTP status of the image",
        value=copied("http_status"),
    ),
    Column(
        name="content_type",
        type=pa.string(),
        source="fetch",
        privacy="neutral",
        meaning="Content-Type of the image as served",
        value=copied("content_type"),
    ),
    Column(
        name="size_bytes",
        type=pa.int64(),
        unit="bytes",
        source="fetch",
        privacy="neutral",
        meaning="size of the image as served",
        value=copied("size_bytes"),
    ),
    Column(
        name="format",
        type=pa.string(),
        source="score",
        privacy="neutral",
        meaning="image format by content",
        value=copied("format"),
    ),
    Column(
        name="sha256",
        type=pa.string(),
        unit="hex",
        source="fetch",
        privacy="fingerprint",
        meaning="of the image bytes",
        value=copied("sha256"),
    ),
    Column(
        name="md5",
        type=pa.string(),
        unit="hex",
        source="fetch",
        privacy="fingerprint",
        meaning="of the image bytes",
        value=copied("md5"),
    ),
    Column(
        name="pdq",
        type=pa.string(),
        unit="hex",
        source="picture_hash",
        privacy="fingerprint",
        meaning="perceptual hash of the picture; empty where no detector made one",
        value=copied("pdq"),
    ),
    Column(
        name="pdq_trimmed",
        type=pa.string(),
        unit="hex",
        source="picture_hash",
        privacy="fingerprint",
        meaning="perceptual hash of the picture without its borders; empty where it has none",
        value=copied("pdq_trimmed"),
    ),
)
