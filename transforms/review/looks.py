"""Finds by whole columns which rows of a batch must be looked at, and for what.

Most rows have no finding. Their texts are read by native code and by calls for many texts at once,
which prove that there is nothing in them; `Reviewer.findings` looks at the others. Each proof is
made of the lists and patterns of the detector that it stands for (`may_be_personal`, `may_find`,
`may_be_clear`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from filters.batch import RowMask, has_entries, numbers, truth
from filters.children.text import make_child_judge
from filters.loosened import rows_with
from filters.privacy.spans import may_be_in_url, may_be_personal
from filters.text_batch import TextBatch
from transforms.review.findings import (
    DOCUMENT_TAGS,
    MIN_PICTURE_SCORE,
    REDACTED,
    WITHOUT_PAGE,
    Looks,
    MedicalWords,
    Reviewer,
)


@dataclass(frozen=True)
class BatchLooks:
    """What is to be looked for in the rows of a batch: a mask for each field of `Looks`.

    `others` are rows that may have a finding for another reason.
    """

    personal: RowMask
    urls: RowMask
    medical: RowMask
    children: RowMask
    others: RowMask

    def rows(self) -> Iterator[tuple[int, Looks]]:
        """Each row that must be looked at, and what for."""
        masks = (self.personal, self.urls, self.medical, self.children)
        chosen = np.flatnonzero(np.logical_or.reduce((*masks, self.others)))
        looks = np.stack(masks, axis=1)[chosen].tolist()
        for row, of_row in zip(chosen.tolist(), looks, strict=True):
            yield row, Looks(*of_row)


def looks_of(batch: pa.Table, reviewer: Reviewer, scores: Sequence[float | None]) -> BatchLooks:
    """The rows of a batch that must be looked at. `scores` says how medical the pictures are."""
    columns = _Columns(batch)
    captions, languages = TextBatch(columns.texts("TEXT")), columns.texts("LANGUAGE")
    # a text with a border is not read as it stands where texts are joined
    return BatchLooks(
        personal=may_be_personal(captions),
        urls=_urls(columns),
        medical=captions.with_border | _may_be_medical(captions, languages, reviewer.medical),
        children=captions.with_border | make_child_judge().may_be_clear(captions, languages),
        others=_others(columns, reviewer, scores),
    )


@dataclass(frozen=True)
class _Columns:
    """The columns of a batch, those that it lacks as empty ones."""

    batch: pa.Table

    def column(self, name: str, type_: pa.DataType) -> pa.ChunkedArray:
        if name in self.batch.column_names:
            return self.batch.column(name)
        return pa.chunked_array([pa.nulls(self.batch.num_rows, type_)])

    def texts(self, name: str) -> pa.ChunkedArray:
        """A column of texts, with empty texts in empty cells."""
        return pc.fill_null(self.column(name, pa.string()), "")


def _urls(columns: _Columns) -> RowMask:
    """The rows with a URL that may hold personal data."""
    url, final_url = columns.texts("URL"), columns.texts("final_url")
    # most images have been served from the address that the page gives
    others = np.flatnonzero(truth(pc.not_equal(final_url, url)))
    pieces = (url, columns.texts("page_url"), final_url.take(pa.array(others)))
    # in one piece, since patterns are prepared for each
    joined = pa.concat_arrays([chunk for column in pieces for chunk in column.chunks])
    found = may_be_in_url(pa.chunked_array([joined]))
    rows = columns.batch.num_rows
    of_row = found[:rows] | found[rows : 2 * rows]
    of_row[others] |= found[2 * rows :]
    return of_row


def _may_be_medical(
    captions: TextBatch, languages: pa.ChunkedArray, medical: MedicalWords
) -> RowMask:
    # Of a redacted caption other words are judged than those that stand in it.
    redacted = rows_with(captions.column, REDACTED, among=captions.with_ascii("["))
    return redacted | medical.may_be_found(captions, languages)


def _others(columns: _Columns, reviewer: Reviewer, scores: Sequence[float | None]) -> RowMask:
    """The rows with a finding that is not in their texts, or perhaps one."""
    if reviewer.has_lists:
        return np.ones(columns.batch.num_rows, np.bool_)
    by_column = numbers(columns.column("medical_picture_score", pa.float32()))
    by_vector = np.array(scores, np.float64)
    score = np.where(np.isnan(by_vector), by_column, by_vector)
    faces = numbers(columns.column("face_count", pa.int32()))
    lacks_page = truth(pc.equal(columns.texts("page_url"), ""))
    lacks_page |= truth(pc.equal(columns.texts("crawl_time"), ""))
    has_page = truth(pc.not_equal(columns.texts("page_source"), WITHOUT_PAGE))
    return (
        (score >= MIN_PICTURE_SCORE)
        | (faces > 0)
        | (lacks_page & has_page)
        | _tagged_documents(columns)
    )


def _tagged_documents(columns: _Columns) -> RowMask:
    tags = columns.column("tags", pa.list_(pa.string()))
    if not has_entries(tags).any():
        return np.zeros(columns.batch.num_rows, np.bool_)
    is_document = truth(pc.starts_with(pc.list_flatten(tags), DOCUMENT_TAGS))
    rows = pc.list_parent_indices(tags).to_numpy()[is_document]
    mask = np.zeros(columns.batch.num_rows, np.bool_)
    mask[rows] = True
    return mask
