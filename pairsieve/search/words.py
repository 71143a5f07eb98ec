"""A tantivy index of captions and addresses, and of the exact values by which rows are filtered.

Captions in every language are split into words: runs of Unicode letters, marks and digits.
Scripts that do not separate words (Chinese, Japanese, Thai ...) are split into single letters, and
a run of letters is found as a phrase. Emoji are words. Letters are folded by
pairsieve/search/letters.py; pairsieve/search/forms.py says under which other forms a word is found.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import tantivy

from pairsieve.search.forms import forms_of_text, forms_of_word, other_words, words_analyzer
from pairsieve.search.letters import fold

CAPTION, ADDRESS, FORM = "caption", "address", "form"
FACETS = ("domain", "subset", "language", "licence", "size", "tag", "mark")
EXACT = ("image", "page", "image_alike", "page_alike", "sha256", "md5", "host", *FACETS)
"""Fields with whole values; those with `alike` hold pairsieve/web/pasted_addresses.py's keys."""
ANALYZER = "folded_words"
MAX_WORDS = 32  # of a query, and of a phrase in it; the rest is ignored
HEAP_BYTES = 256_000_000
"""Memory of a writer; what does not fit into it tantivy writes as a segment of its own."""
ID_BITS = 32
"""A row's id is the number of its shard and, in the lower 32 bits, its position in the shard."""
ROW_MASK = (1 << ID_BITS) - 1
OTHER_WEIGHT = 0.2
"""Of what a word may also mean (`서울의`: 서울), beside the word as it was typed."""
_CHUNK = re.compile(r'(-?)(?:"([^"]*)"?|(\S+))')
# Quotes as phones and other languages write them.
_QUOTES = str.maketrans(dict.fromkeys("“”„‟«»＂", '"'))
_ESCAPE = re.compile("%[0-9A-Fa-f]{2}")

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
    builder.add_text_field(FORM, tokenizer_name="whitespace", index_option="basic")
    # Facets are counted, for which tantivy needs a fast field.
    for name in EXACT:
        builder.add_text_field(
            name, tokenizer_name="raw", index_option="basic", fast=name in FACETS
        )
    builder.add_bytes_field("row", stored=True)
    return builder.build()


def open_words(folder: str, make: bool = False) -> tantivy.Index:
    """Open the index in a local folder; with `make`, create it if needed.

    Raises ValueError when there is no index.
    """
    index = tantivy.Index(schema(), path=folder) if make else tantivy.Index.open(folder)
    index.register_tokenizer(ANALYZER, words_analyzer())
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

        All words must occur; those after `-` must not; quotes make a phrase, whose words must stand
        as they are typed. Without words and values the query matches every row. Words that hold
        nothing to search for match none.
        """
        if says_nothing(self.words):
            return tantivy.Query.empty_query()
        clauses = [
            *_word_clauses(self.words, index.schema),
            *_exact_clauses(self.exact, index.schema),
        ]
        # tantivy finds nothing by a query that only excludes.
        if not any(occur == tantivy.Occur.Must for occur, _ in clauses):
            clauses.append((tantivy.Occur.Must, tantivy.Query.all_query()))
        return tantivy.Query.boolean_query(clauses)


@dataclass(frozen=True)
class _Chunk:
    """A word or phrase of a query, with its folded words."""

    text: str
    words: Sequence[str]
    is_quoted: bool
    is_excluded: bool


def _chunks(text: str) -> list[_Chunk]:
    """Return the words and phrases of a query that hold something to search for."""
    chunks = []
    # A command line may hold bytes that are no text, which Python reads as half letters.
    readable = text.translate(_QUOTES).encode("utf-8", "replace").decode("utf-8")
    for minus, quoted, plain in _CHUNK.findall(readable)[:MAX_WORDS]:
        words = split(quoted or plain)
        if words:
            chunks.append(_Chunk(quoted or plain, words, bool(quoted), bool(minus)))
    return chunks


def says_nothing(text: str) -> bool:
    """Whether a query is not empty and yet holds no letter, digit or symbol: `!!!`, `*`."""
    return bool(text.strip()) and not _chunks(text)


def split(text: str) -> list[str]:
    """Return the folded words of a text, MAX_WORDS at most."""
    words: list[str] = words_analyzer().analyze(fold(text))
    return words[:MAX_WORDS]


def _word_clauses(text: str, schema: tantivy.Schema) -> Iterator[Clause]:
    """Yield a clause for each word or phrase."""
    for chunk in _chunks(text):
        ways = list(_ways(chunk, schema))
        occur = tantivy.Occur.MustNot if chunk.is_excluded else tantivy.Occur.Must
        yield occur, tantivy.Query.boolean_query([(tantivy.Occur.Should, way) for way in ways])


def _ways(chunk: _Chunk, schema: tantivy.Schema) -> Iterator[tantivy.Query]:
    """Yield the ways in which a row may hold a word or phrase; those as typed weigh most."""
    yield from _in_texts(schema, chunk.words)
    # An address that was copied from a browser's bar has escapes; the index has the letters.
    if _ESCAPE.search(chunk.text):
        words = split(unquote(chunk.text, errors="replace"))
        if words and words != chunk.words:
            yield from _in_texts(schema, words)
    if chunk.is_quoted:
        return
    if len(chunk.words) == 1:
        yield from _in_forms(schema, chunk.text)
    for other in other_words(chunk.text):
        words = split(other)
        if words and words != chunk.words:
            ways = list(_in_texts(schema, words))
            if len(words) == 1:
                ways += _in_forms(schema, other)
            for way in ways:
                yield tantivy.Query.boost_query(way, OTHER_WEIGHT)


def _in_texts(schema: tantivy.Schema, words: Sequence[str]) -> Iterator[tantivy.Query]:
    """Yield the queries for words one behind the other, in captions and in addresses."""
    for name in (CAPTION, ADDRESS):
        if len(words) == 1:
            yield tantivy.Query.term_query(schema, name, words[0])
        else:
            yield tantivy.Query.phrase_query(schema, name, list(words))


def _in_forms(schema: tantivy.Schema, word: str) -> Iterator[tantivy.Query]:
    """Yield the queries for a word's stems and other spellings."""
    for form in forms_of_word(word):
        yield tantivy.Query.term_query(schema, FORM, form)


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
    caption = entry["caption"]
    language = entry["language"][0] if entry["language"] else ""
    row_document.add_text(CAPTION, fold(caption))
    row_document.add_text(FORM, " ".join(forms_of_text(caption, language)))
    row_document.add_text(ADDRESS, fold(unquote(entry["address"], errors="replace")))
    for name in EXACT:
        for value in entry[name]:
            row_document.add_text(name, value)
    row_document.add_bytes("row", json.dumps(entry["row"]).encode())
    return row_document
