"""A tantivy index of captions and addresses, and of the exact values by which rows are filtered.

Captions in every language are split into words: runs of Unicode letters, marks and digits.
Scripts that do not separate words (Chinese, Japanese, Thai ...) are split into single letters, and
a run of letters is found as a phrase.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import tantivy

CAPTION, ADDRESS = "caption", "address"
FACETS = ("domain", "subset", "language", "licence", "tag", "mark")
EXACT = ("image", "page", "sha256", "md5", "host", *FACETS)
ANALYZER = "letters"
UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
MAX_WORDS = 32  # of a query, and of a phrase in it; the rest is ignored
MAX_WORD_CHARS = 40  # longer words are not indexed
HEAP_BYTES = 256_000_000
ID_BITS = 32
"""A row's id is the number of its shard and, in the lower 32 bits, its position in the shard."""
_CHUNK = re.compile(r'(-?)(?:"([^"]*)"?|(\S+))')

Clause = tuple[tantivy.Occur, tantivy.Query]


def row_id(shard: int, row: int) -> int:
    """Return the id of a row."""
    return shard << ID_BITS | row


def schema() -> tantivy.Schema:
    """Return the index's fields; `row` holds as JSON what search results show."""
    builder = tantivy.SchemaBuilder()
    builder.add_unsigned_field("id", stored=True, indexed=True, fast=True)
    builder.add_unsigned_field("shard", indexed=True)
    builder.add_float_field("similarity", stored=False, fast=True)
    builder.add_text_field(CAPTION, tokenizer_name=ANALYZER)
    builder.add_text_field(ADDRESS, tokenizer_name=ANALYZER)
    # Facets are counted, for which tantivy needs a fast field.
    for name in EXACT:
        builder.add_text_field(
            name, tokenizer_name="raw", index_option="basic", fast=name in FACETS
        )
    builder.add_bytes_field("row", stored=True)
    return builder.build()


@lru_cache(1)
def analyzer() -> tantivy.TextAnalyzer:
    """Return what splits text into words, for rows and for queries."""
    pattern = rf"[{UNSPACED}]|[[\p{{L}}\p{{M}}\p{{N}}]--[{UNSPACED}]]+"
    builder = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.regex(pattern))
    builder = builder.filter(tantivy.Filter.lowercase())
    builder = builder.filter(tantivy.Filter.remove_long(MAX_WORD_CHARS))
    return builder.build()


def open_words(folder: str, make: bool = False) -> tantivy.Index:
    """Open the index in a local folder; with `make`, create it if needed.

    Raises ValueError when there is no index.
    """
    index = tantivy.Index(schema(), path=folder) if make else tantivy.Index.open(folder)
    index.register_tokenizer(ANALYZER, analyzer())
    return index


@dataclass(frozen=True)
class WordQuery:
    """Words and exact values that a row must have.

    `exact` maps names of EXACT to values; several values of one name are alternatives.
    """

    words: str = ""
    exact: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def build(self, index: tantivy.Index) -> tantivy.Query:
        """Return the tantivy query.

        All words must occur; those after `-` must not; quotes make a phrase. Without words and
        values the query matches every row.
        """
        clauses = [
            *_word_clauses(self.words, index.schema),
            *_exact_clauses(self.exact, index.schema),
        ]
        # tantivy finds nothing by a query that only excludes.
        if not any(occur == tantivy.Occur.Must for occur, _ in clauses):
            clauses.append((tantivy.Occur.Must, tantivy.Query.all_query()))
        return tantivy.Query.boolean_query(clauses)


def _word_clauses(text: str, schema: tantivy.Schema) -> Iterator[Clause]:
    """Yield a clause for each word or phrase, which may occur in the caption or in an address."""
    for minus, quoted, plain in _CHUNK.findall(text)[:MAX_WORDS]:
        words = analyzer().analyze(quoted or plain)[:MAX_WORDS]
        if not words:
            continue
        in_fields = [
            (tantivy.Occur.Should, _phrase(schema, CAPTION, words)),
            (tantivy.Occur.Should, _phrase(schema, ADDRESS, words)),
        ]
        occur = tantivy.Occur.MustNot if minus else tantivy.Occur.Must
        yield occur, tantivy.Query.boolean_query(in_fields)


def _phrase(schema: tantivy.Schema, field: str, words: Sequence[str]) -> tantivy.Query:
    if len(words) == 1:
        return tantivy.Query.term_query(schema, field, words[0])
    return tantivy.Query.phrase_query(schema, field, list(words))


def _exact_clauses(
    values_by_name: Mapping[str, Sequence[str]], schema: tantivy.Schema
) -> Iterator[Clause]:
    """Yield a clause for each name; a row must have one of its values."""
    for name, values in values_by_name.items():
        if not values:
            continue
        terms = [
            (tantivy.Occur.Should, tantivy.Query.term_query(schema, name, value))
            for value in values
        ]
        yield tantivy.Occur.Must, tantivy.Query.boolean_query(terms)


def document(identity: int, shard: int, entry: Mapping[str, Any]) -> tantivy.Document:
    """Return a row's document. `entry` is what pairsieve/search/rows.py makes of the row."""
    row_document = tantivy.Document()
    row_document.add_unsigned("id", identity)
    row_document.add_unsigned("shard", shard)
    row_document.add_float("similarity", float(entry["similarity"] or 0.0))
    row_document.add_text(CAPTION, entry["caption"])
    row_document.add_text(ADDRESS, entry["address"])
    for name in EXACT:
        for value in entry[name]:
            row_document.add_text(name, value)
    row_document.add_bytes("row", json.dumps(entry["row"]).encode())
    return row_document
