"""What a rule says of columns against its one definition, row by row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.balance.languages import LanguageQuota
from filters.batch import numbers, rows_to_judge
from filters.documents.rule import Documents, Parrot
from filters.duplicates.rules import Decontaminate, Memorisable, NearDuplicate
from filters.medical.dicom import Dicom
from filters.pictures.nudity import Nudity
from filters.pictures.size import ImageSize
from filters.registry import RULES
from filters.rights.rights import Rights
from filters.similarity import Similarity
from filters.subset import Subset
from tests.support.answers import answer_of

lists = st.none() | st.lists(st.sampled_from(["noai", "all", "tdm_reserved"]), max_size=2)
scores = st.none() | st.floats() | st.sampled_from([0.0, 0.2, 0.3, 0.8, 1.0])
whole = st.none() | st.integers(-1, 2**31 - 1) | st.sampled_from([0, 1, 99, 100, 101, 9459])
url_pieces = st.sampled_from(
    ["https://a.example/", "x.DCM", ".dc\tm", ".dicom", "?a=.dcm", "#", "/", ".dcm.gz", "p.jpg"]
)
DOCUMENT_WORDS = pa.list_(pa.struct([("kind", pa.string()), ("words", pa.int32())]))
COLUMNS: Mapping[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "subset": (pa.string(), st.none() | st.sampled_from(["en", "multi", "nolang", "other"])),
    "similarity": (pa.float64(), scores),
    "width": (pa.int32(), whole),
    "height": (pa.int32(), whole),
    "size_bytes": (pa.int64(), whole | st.integers(2**53 - 2, 2**62)),
    "punsafe": (pa.float32(), st.none() | st.floats(width=32)),
    "caption_in_picture": (pa.float32(), st.none() | st.floats(width=32)),
    "document_words": (DOCUMENT_WORDS, st.none() | st.just([{"kind": "letter", "words": 3}])),
    "text_page_like": (pa.bool_(), st.none() | st.booleans()),
    "text_kinds": (pa.list_(pa.string()), lists),
    "document_machine_lines": (pa.int32(), st.none() | st.integers(0, 2)),
    "page_rights_signals": (pa.list_(pa.string()), lists),
    "response_rights_signals": (pa.list_(pa.string()), lists),
    "picture_rights_signals": (pa.list_(pa.string()), lists),
    "licence": (pa.string(), st.none() | st.just("https://creativecommons.org/licenses/by/4.0/")),
    "picture_licence": (pa.string(), st.none()),
    "url": (pa.string(), st.none() | st.lists(url_pieces, max_size=4).map("".join)),
    "content_type": (
        pa.string(),
        st.none()
        | st.sampled_from(["", "image/jpeg", " Application/DICOM ; x", "image/dicom-rle"]),
    ),
    "dicom": (pa.bool_(), st.none() | st.booleans()),
    "copies": (pa.int64(), st.none() | st.integers(1, 12)),
    "caption_rank": (pa.int32(), st.none() | st.integers(0, 9)),
    "language": (pa.string(), st.none() | st.sampled_from(["", "en", "de"])),
    "language_pairs": (pa.int64(), st.none() | st.integers(0, 100)),
    "key": (pa.binary(16), st.binary(min_size=16, max_size=16)),
    "near_benchmark": (pa.string(), st.none() | st.just("coco")),
}
RULES_WITH_COLUMNS = {
    "similarity": Similarity({"en": 0.3, "multi": 0.2}),
    "similarity, by language": Similarity({"en": 0.3, "multi": 0.2, "de": 0.1}),
    "language_quota": LanguageQuota({"en": 20, "other": 60}),
    "language_quota, none": LanguageQuota({}),
    "image_size": ImageSize(min_bytes=100, min_side=100, max_pixels=9459 * 9459),
    "image_size, beyond 2^53": ImageSize(2**53 + 1, 1, 2**53 + 1),
    "subset": Subset(("en", "multi")),
    "subset, none": Subset(()),
    "nudity": Nudity(drop_from=0.8, tag_from=0.2),
    "nudity, tags above": Nudity(drop_from=0.2, tag_from=0.8),
    "documents": Documents("default", 3, 2),
    "parrot": Parrot(0.8),
    "near_duplicate": NearDuplicate("drop", 1),
    "near_duplicate, three captions": NearDuplicate("tag", 3),
    "memorisable": Memorisable(6),
    "decontaminate": Decontaminate("drop"),
    "dicom": Dicom(),
    "rights": Rights("respect"),
    "rights, record": Rights("record", unknown_page="keep"),
    "rights, strict": Rights("strict", allow_licences=("cc-by",)),
}
rows_of_columns = st.lists(
    st.fixed_dictionaries({name: values for name, (_, values) in COLUMNS.items()}), max_size=8
)


def columns_of(rows) -> dict[str, pa.ChunkedArray]:
    schema = pa.schema([(name, arrow_type) for name, (arrow_type, _) in COLUMNS.items()])
    table = pa.Table.from_pylist(rows, schema)
    return dict(zip(table.column_names, table.columns, strict=True))


@pytest.mark.parametrize("name", RULES_WITH_COLUMNS)
@given(rows=rows_of_columns)
def test_no_row_with_a_decision_or_an_error_is_passed_over(name, rows):
    rule = RULES_WITH_COLUMNS[name]
    columns = columns_of(rows)
    asked = rows_to_judge(rule, columns, len(rows))
    for row, is_asked in zip(pa.table(columns).to_pylist(), asked, strict=True):
        if not is_asked:
            assert answer_of(rule, row) == []


def test_every_rule_with_columns_is_here():
    with_columns = {name for name in RULES if hasattr(RULES[name], "speaks")}
    assert with_columns == {name.partition(",")[0] for name in RULES_WITH_COLUMNS}


FINE = {
    "subset": "en", "similarity": 0.5, "width": 640, "height": 480, "size_bytes": 9000,
    "punsafe": 0.01, "caption_in_picture": 0.1, "document_words": None, "text_page_like": None,
    "text_kinds": None, "document_machine_lines": None, "page_rights_signals": [],
    "response_rights_signals": None, "picture_rights_signals": [], "licence": None,
    "picture_licence": None, "url": "https://a.example/p.jpg", "content_type": "image/jpeg",
    "dicom": False, "copies": 1, "caption_rank": 0, "near_benchmark": None,
    "language": "en", "language_pairs": 5, "key": bytes(16),
}  # fmt: skip


@pytest.mark.parametrize(
    "name",
    sorted(set(RULES_WITH_COLUMNS) - {"rights, strict", "subset, none", "language_quota, none"}),
)
def test_ordinary_rows_are_passed_over(name):
    if "2^53" not in name:
        columns = columns_of([FINE, FINE])
        assert rows_to_judge(RULES_WITH_COLUMNS[name], columns, 2).tolist() == [False, False]


class Answers:
    def __init__(self, answer) -> None:
        self.answer = answer

    def speaks(self, columns):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    "answer",
    [
        KeyError("gone"),
        None,
        False,
        np.zeros(3, bool),
        np.zeros((2, 1), bool),
        np.zeros(2),
        [0, 0],
        pa.array([False, None]),
    ],
)
def test_without_a_clear_answer_every_row_is_judged(answer):
    assert rows_to_judge(Answers(answer), {}, 2).tolist() == [True, True]


def test_a_clear_answer():
    assert rows_to_judge(Answers([False, True]), {}, 2).tolist() == [False, True]
    assert rows_to_judge(object(), {}, 2).tolist() == [True, True]


def test_empty_cells_are_no_numbers():
    found = numbers(pa.chunked_array([[1, None], [3]]))
    assert np.array_equal(found, [1, np.nan, 3], equal_nan=True)
