from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pairsieve.links.columns import MissingColumns
from pairsieve.records.pair import key_of
from pairsieve.storage.identities import found_among
from pairsieve.web.urls import bucket_of_url
from transforms import known
from transforms.known import KnownFile, KnownSettings, list_pieces, write_piece

BUCKETS = 8


def settings_for(folder: Path, identity="pair") -> KnownSettings:
    earlier = KnownFile(str(folder / "earlier.parquet"), str(folder / "work"))
    return KnownSettings((earlier,), BUCKETS, identity)


def write_earlier(folder: Path, urls, captions, row_group_size: int = 100) -> None:
    table = pa.table({"URL": pa.array(urls, pa.string()), "TEXT": pa.array(captions, pa.string())})
    pq.write_table(table, folder / "earlier.parquet", row_group_size=row_group_size)


def all_written(settings: KnownSettings) -> list[str]:
    return [
        path
        for earlier in settings.earlier
        for piece in list_pieces(earlier)
        for path in write_piece(piece, settings)
    ]


def is_known(settings: KnownSettings, url: str, identity: bytes) -> bool:
    bucket = bucket_of_url(url, BUCKETS)
    return identity in found_among([identity], all_written(settings), bucket)


@pytest.mark.parametrize(
    ("url", "caption", "same_url", "same_caption"),
    [
        ("https://a.example/1.jpg", "one", "https://a.example/1.jpg", "one"),
        # as a browser reads it, and in canonical form
        ("HTTPS://A.example:443/x/../1.jpg#top", "one", "https://a.example/1.jpg", "one"),
        ("https://a.example/%7ex.jpg?", "one", "https://a.example/~x.jpg", "one"),
        # as captions are cleaned
        ("https://a.example/1.jpg", " a&amp;b ", "https://a.example/1.jpg", "a&b"),
        ("https://a.example/1.jpg", None, "https://a.example/1.jpg", ""),
    ],
)
def test_a_known_pair(url, caption, same_url, same_caption, tmp_path):
    write_earlier(tmp_path, [url], [caption])
    settings = settings_for(tmp_path)
    assert is_known(settings, same_url, key_of(same_url, same_caption))
    assert not is_known(settings, same_url, key_of(same_url, "another caption"))


def test_the_url_alone(tmp_path):
    write_earlier(tmp_path, ["https://a.example/1.jpg"], ["one"])
    settings = settings_for(tmp_path, "url")
    assert is_known(settings, "https://a.example/1.jpg", key_of("https://a.example/1.jpg", ""))


def test_rows_that_are_no_pairs_are_left_out(tmp_path):
    write_earlier(tmp_path, [None, "p q", "http://[", "https://a.example/1.jpg"], ["one"] * 4)
    (path,) = all_written(settings_for(tmp_path))
    assert Path(path).stat().st_size == BUCKETS * 24 + 16


@pytest.mark.parametrize(
    ("rows", "row_group_size", "first_rows"),
    [
        (0, 100, []),
        (9, 100, [0]),
        # as many row groups as a file of identities takes
        (9, 3, [0]),
        (30, 4, [0, 8, 16, 24]),
        # a row group that is larger than that
        (25, 25, [0, 10, 20]),
        (47, 25, [0, 10, 20, 25, 35, 45]),
    ],
)
def test_every_row_lies_in_one_file(rows, row_group_size, first_rows, tmp_path, monkeypatch):
    monkeypatch.setattr(known, "MAX_IDENTITIES", 10)
    urls = [f"https://host{n % 5}.example/{n}.jpg" for n in range(rows)]
    write_earlier(tmp_path, urls, ["one"] * rows, row_group_size)
    settings = settings_for(tmp_path)
    paths = all_written(settings)
    begun = [int(Path(path).stem.removeprefix("rows-")) for path in paths]
    assert begun == first_rows
    sizes = [(Path(path).stat().st_size - BUCKETS * 24) // 16 for path in paths]
    assert sizes == [end - start for start, end in pairwise([*begun, rows])]
    for url in urls:
        assert is_known(settings, url, key_of(url, "one"))


def test_what_is_there_is_not_written_again(tmp_path, monkeypatch):
    monkeypatch.setattr(known, "MAX_IDENTITIES", 10)
    urls = [f"https://a.example/{n}.jpg" for n in range(30)]
    write_earlier(tmp_path, urls, ["one"] * 30, 10)
    paths = all_written(settings_for(tmp_path))
    Path(paths[1]).unlink()  # as a killed run would leave it
    before = [Path(path).stat().st_mtime_ns for path in (paths[0], paths[2])]
    assert all_written(settings_for(tmp_path)) == paths
    assert [Path(path).stat().st_mtime_ns for path in (paths[0], paths[2])] == before
    assert Path(paths[1]).exists()


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"nothing", pa.ArrowInvalid),
        (pa.table({"URL": ["u"], "words": ["w"]}), MissingColumns),
    ],
)
def test_what_cannot_be_read_stops(content, error, tmp_path):
    path = tmp_path / "earlier.parquet"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        pq.write_table(content, path)
    with pytest.raises(error):
        all_written(settings_for(tmp_path))
    assert not (tmp_path / "work").exists()
