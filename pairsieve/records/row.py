"""The published row: all columns in their order, LAION's first."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pyarrow as pa

from pairsieve.records.choices import Sensitive
from pairsieve.records.column import Column, Sources, copied
from pairsieve.records.decision_columns import DECISIONS, PRIVATE_TAGS
from pairsieve.records.laion_columns import LAION
from pairsieve.records.origin_columns import IMAGE, PAGE

KEY = "key"

MODEL = Column(
    name="model",
    type=pa.string(),
    source="score",
    privacy="neutral",
    meaning="architecture@weights of the CLIP model",
    value=copied("model"),
)

# Readers of LAION's files find their columns first. New columns may be added anywhere behind.
COLUMNS: tuple[Column, ...] = (*LAION, *DECISIONS, *PAGE, *IMAGE, MODEL)

LAION_COLUMNS = len(LAION)
"""How many of COLUMNS are LAION's own. They are the first."""

# Whoever has the rows could look up patients, children and faces by these columns. LAION's own
# columns stay, because its readers filter by NSFW and punsafe.
GUARDED = tuple(
    column
    for column in COLUMNS[LAION_COLUMNS:]
    if column.privacy == "sensitive" and column.name != "tags"
)
"""Columns that rows have only where `publish.sensitive` is `published`."""

SIDECAR_COLUMNS = (KEY, PRIVATE_TAGS.name, *(column.name for column in GUARDED))
"""What a private file beside a shard holds, in its order."""


def _vector(sources: Sources) -> Any:
    # Not `copied`: a row without a vector would be a bug.
    return sources["vector"]


EMBEDDING = Column(
    name="embedding",
    type=pa.list_(pa.float16()),
    source="score",
    privacy="fingerprint",
    meaning="the picture's vector under `model`, of length 1",
    value=_vector,
)
"""The last column, if `publish.embeddings` is `column`."""

ROW_SCHEMA = pa.schema([(column.name, column.type) for column in COLUMNS])
"""Every column that a published row may have."""

SHUFFLED_SCHEMA = ROW_SCHEMA.append(pa.field(PRIVATE_TAGS.name, PRIVATE_TAGS.type))
"""A row on its way to its shard: what is published and what stays private."""


def published_names(sensitive: Sensitive) -> list[str]:
    """Return the names of the columns that are published, in their order."""
    guarded = {column.name for column in GUARDED} if sensitive == "private" else set()
    return [name for name in ROW_SCHEMA.names if name not in guarded]


def with_embedding(schema: pa.Schema) -> pa.Schema:
    """Add the column of the picture's vector to a schema, as its last."""
    return schema.append(pa.field(EMBEDDING.name, EMBEDDING.type))


def published_columns(names: Collection[str]) -> list[Column]:
    """Return the columns that a dataset has and that are known here, in their order here."""
    return [column for column in (*COLUMNS, EMBEDDING) if column.name in names]


def row_of(sources: Sources) -> tuple[Any, ...]:
    """Make a row: the cells of a sample, in the order of SHUFFLED_SCHEMA."""
    return tuple(column.value(sources) for column in (*COLUMNS, PRIVATE_TAGS))
