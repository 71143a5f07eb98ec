"""Full text over captions and addresses, and everything that rows are narrowed down by: one tantivy
index.

Captions of every language are cut into words by Unicode's letters; where words are not written
apart (Chinese, Japanese, Thai) each letter is a word, so that a run of them is found as a phrase.
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
MOST_WORDS, MOST_LETTERS = 32, 40
HEAP_BYTES = 256_000_000
ID_BITS = 32
"""A row's id is the number of its shard and, in the lower bits, its place there."""
_CHUNK = re.compile(r'(-?)(?:"([^"]*)"?|(\S+))')


def row_id(shard: int, row: int) -> int:
    """The id of a row."""
    return shard << ID_BITS | row


def schema() -> tantivy.Schema:
    """The fields of a row; `row` holds what is shown of it, as JSON."""
    builder = tantivy.SchemaBuilder()
    builder.add_unsigned_field("id", stored=True, indexed=True, fast=True)
    builder.add_unsigned_field("shard", indexed=True)
    builder.add_float_field("similarity", stored=False, fast=True)
    builder.add_text_field(CAPTION, tokenizer_name=ANALYZER)
    builder.add_text_field(ADDRESS, tokenizer_name=ANALYZER)
    for name in EXACT:
        builder.add_text_field(
            name, tokenizer_name="raw", index_option="basic", fast=name in FACETS
        )
    builder.add_bytes_field("row", stored=True)
    return builder.build()


@lru_cache(1)
def analyzer() -> tantivy.TextAnalyzer:
    """Text to words, the same for rows and for queries."""
    pattern = rf"[{UNSPACED}]|[[\p{{L}}\p{{M}}\p{{N}}]--[{UNSPACED}]]+"
    builder = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.regex(pattern))
    return (
        builder.filter(tantivy.Filter.lowercase())
        .filter(tantivy.Filter.remove_long(MOST_LETTERS))
        .build()
    )


def open_words(folder: str, make: bool = False) -> tantivy.Index:
    """The index in a local folder. Raises ValueError where there is none."""
    index = tantivy.Index(schema(), path=folder) if make else tantivy.Index.open(folder)
    index.register_tokenizer(ANALYZER, analyzer())
    return index


@dataclass(frozen=True)
class Narrowed:
    """Words, and exact values that every row found has; several values of one name are
    alternatives.
    """

    words: str = ""
    exact: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def query(self, index: tantivy.Index) -> tantivy.Query:
        """What tantivy looks for: all words (those behind `-` must not be there), phrases in
        quotes, and the exact values.
        """
        parts = [*_words(self.words, index.schema), *_exact(self.exact, index.schema)]
        if not any(occur == tantivy.Occur.Must for occur, _ in parts):
            parts.append((tantivy.Occur.Must, tantivy.Query.all_query()))
        return tantivy.Query.boolean_query(parts)


def _words(text: str, schema: tantivy.Schema) -> Iterator[tuple[tantivy.Occur, tantivy.Query]]:
    cut = analyzer()
    for minus, quoted, plain in _CHUNK.findall(text)[:MOST_WORDS]:
        words = cut.analyze(quoted or plain)[:MOST_WORDS]
        if words:
            fields = [
                (tantivy.Occur.Should, _phrase(schema, field, words))
                for field in (CAPTION, ADDRESS)
            ]
            yield (
                (tantivy.Occur.MustNot if minus else tantivy.Occur.Must),
                tantivy.Query.boolean_query(fields),
            )


def _phrase(schema: tantivy.Schema, field: str, words: Sequence[str]) -> tantivy.Query:
    if len(words) == 1:
        return tantivy.Query.term_query(schema, field, words[0])
    return tantivy.Query.phrase_query(schema, field, list(words))


def _exact(
    wanted: Mapping[str, Sequence[str]], schema: tantivy.Schema
) -> Iterator[tuple[tantivy.Occur, tantivy.Query]]:
    for name, values in wanted.items():
        if values:
            terms = [
                (tantivy.Occur.Should, tantivy.Query.term_query(schema, name, value))
                for value in values
            ]
            yield tantivy.Occur.Must, tantivy.Query.boolean_query(terms)


def document(identity: int, shard: int, entry: Mapping[str, Any]) -> tantivy.Document:
    """A row as the index holds it. `entry`: see rows.py."""
    made = tantivy.Document()
    made.add_unsigned("id", identity)
    made.add_unsigned("shard", shard)
    made.add_float("similarity", float(entry["similarity"] or 0.0))
    made.add_text(CAPTION, entry["caption"])
    made.add_text(ADDRESS, entry["address"])
    for name in EXACT:
        for value in entry[name]:
            made.add_text(name, value)
    made.add_bytes("row", json.dumps(entry["row"]).encode())
    return made
