from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pairsieve.links.columns import LinkColumns, MissingColumns, find_columns
from pairsieve.links.tables import read_row_group, row_groups
from pairsieve.records.link import Link
from transforms.read import InputSettings, split_input


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["SAMPLE_ID", "URL", "TEXT", "HEIGHT"], LinkColumns("URL", "TEXT", "SAMPLE_ID")),
        (["URL", "TEXT", "WIDTH", "hash", "punsafe"], LinkColumns("URL", "TEXT", "hash")),
        (["uid", "url", "text", "sha256"], LinkColumns("url", "text", "uid")),
        (["id", "url", "text", "image_phash"], LinkColumns("url", "text", "id")),
        (["key", "url", "caption"], LinkColumns("url", "caption", "key")),
        (["url", "caption"], LinkColumns("url", "caption", None)),
    ],
)
def test_known_datasets(names, expected):
    assert find_columns(names, {}) == expected


def test_a_mapping():
    assert find_columns(
        ["link", "words", "n", "url"], {"url": "link", "caption": "words", "id": "n"}
    ) == LinkColumns("link", "words", "n")


@pytest.mark.parametrize(
    ("names", "mapping", "message"),
    [
        (["a", "b"], {}, "no column for url among a, b; name it under input.columns"),
        (["url", "b"], {}, "no column for caption"),
        (["url", "text"], {"caption": "words"}, "no column for caption"),
    ],
)
def test_missing_columns(names, mapping, message):
    with pytest.raises(MissingColumns, match=message):
        find_columns(names, mapping)


TABLE = pa.table(
    {
        "URL": ["https://a.example/1.jpg", None, "p q"],
        "TEXT": ["one", "two", None],
        "uid": ["x", "y", "z"],
    }
)


def test_rows(tmp_path):
    path = str(tmp_path / "t.parquet")
    pq.write_table(TABLE, path, row_group_size=2)
    groups = list(row_groups(path, {}))
    assert [(group.first_row, group.rows) for group in groups] == [(0, 2), (2, 1)]
    links = [link for group in groups for link in read_row_group(group, {}, {})]
    assert links == [
        Link("https://a.example/1.jpg", "one", path, 0, "x"),
        Link("", "two", path, 1, "y"),
        Link("p q", "", path, 2, "z"),
    ]


def test_what_is_no_table(tmp_path):
    (tmp_path / "t.parquet").write_bytes(b"nothing")
    found = list(split_input(str(tmp_path / "t.parquet"), InputSettings(kind="pairs"), {}))
    assert [getattr(item, "reason", "") for item in found] == ["", "unreadable_ArrowInvalid"]


def test_text_that_is_no_utf8_is_read_leniently(tmp_path):
    path = str(tmp_path / "t.parquet")
    cells = pa.array([b"https://a.example/\xff.jpg", b"fine"])
    # nobody checks what a file says of itself
    text = pa.Array.from_buffers(pa.string(), 2, cells.buffers())
    pq.write_table(pa.table({"url": text, "text": text, "key": text}), path)
    (group,) = row_groups(path, {})
    first, second = read_row_group(group, {}, {})
    assert (first.url, first.caption, first.row_id) == ("https://a.example/\ufffd.jpg",) * 3
    assert second.url == "fine"
