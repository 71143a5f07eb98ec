"""The columns of LAION-400M and LAION-5B, in their order, which come first in every row.

LAION swapped WIDTH and HEIGHT. Here each is what its name says.
"""

from __future__ import annotations

import mmh3
import pyarrow as pa

from pairsieve.records.column import Column, Sources, copied


def _sample_id(sources: Sources) -> int:
    # SAMPLE_ID is a signed 64-bit integer, and one bit is its sign.
    return int.from_bytes(sources["public_key"][:8], "big") >> 1


def _hash(sources: Sources) -> int:
    first_half, _ = mmh3.hash64(sources["url"] + sources["text"])
    return int(first_half)


def _laion_licence(sources: Sources) -> str:
    # As in LAION, ? stands for no Creative Commons licence.
    licence: str = sources.get("licence") or ""
    return licence if "//creativecommons.org/" in licence.lower() else "?"


def _watermark(sources: Sources) -> float | None:
    """A head's chance; without a head 1 or 0 by the words that were read in the picture."""
    chance: float | None = sources.get("pwatermark")
    has_words: bool | None = sources.get("watermark_words")
    if chance is None and has_words is not None:
        return float(has_words)
    return chance


LAION: tuple[Column, ...] = (
    Column(
        name="SAMPLE_ID",
        type=pa.int64(),
        source="publish",
        privacy="fingerprint",
        meaning="the first 63 bits of `key`",
        value=_sample_id,
    ),
    Column(
        name="URL",
        type=pa.string(),
        source="extract",
        privacy="address",
        meaning="image URL as the page gave it, made absolute",
        value=copied("url"),
    ),
    Column(
        name="TEXT",
        type=pa.string(),
        source="extract",
        privacy="words",
        meaning="caption: the alt text, cleaned and redacted",
        value=copied("text"),
    ),
    Column(
        name="HEIGHT",
        type=pa.int32(),
        unit="pixels",
        source="score",
        privacy="neutral",
        meaning="height of the picture, upright",
        value=copied("height"),
    ),
    Column(
        name="WIDTH",
        type=pa.int32(),
        unit="pixels",
        source="score",
        privacy="neutral",
        meaning="width of the picture, upright",
        value=copied("width"),
    ),
    Column(
        name="LICENSE",
        type=pa.string(),
        source="licence",
        privacy="neutral",
        meaning="Creative Commons URL that the page names for the image, or ?",
        value=_laion_licence,
    ),
    Column(
        name="NSFW",
        type=pa.string(),
        source="nsfw_head",
        privacy="sensitive",
        meaning="UNLIKELY, UNSURE or NSFW by `punsafe`; empty where no head judged it",
        value=copied("nsfw"),
    ),
    Column(
        name="similarity",
        type=pa.float64(),
        unit="cosine",
        source="score",
        privacy="neutral",
        meaning="of picture and caption under `model`",
        value=copied("similarity"),
    ),
    Column(
        name="hash",
        type=pa.int64(),
        source="publish",
        privacy="fingerprint",
        meaning="LAION-5B's hash: mmh3.hash64(URL + TEXT)[0]",
        value=_hash,
    ),
    Column(
        name="LANGUAGE",
        type=pa.string(),
        source="extract",
        privacy="neutral",
        meaning="CLD3's code for the caption; empty where not reliable",
        value=copied("language"),
    ),
    Column(
        name="punsafe",
        type=pa.float32(),
        unit="0 to 1",
        source="nsfw_head",
        privacy="sensitive",
        meaning="chance that the picture is unsafe, by a head on its embedding; empty without one",
        value=copied("punsafe"),
    ),
    Column(
        name="pwatermark",
        type=pa.float32(),
        unit="0 to 1",
        source="text_in_picture",
        privacy="neutral",
        meaning=(
            "chance of a watermark, by a head; without one, 1 where an agency's name was read in "
            "the picture, and 0 elsewhere; empty where nothing looked"
        ),
        value=_watermark,
    ),
    Column(
        name="AESTHETIC_SCORE",
        type=pa.float64(),
        unit="about 1 to 10",
        source="aesthetic_head",
        privacy="neutral",
        meaning="how much it is liked, by a head; empty without one",
        value=copied("aesthetic_score"),
    ),
)
