"""The picture store: as served or made smaller, within its quota."""

from __future__ import annotations

import hashlib
import io
from types import SimpleNamespace

import pytest
from PIL import Image

from pairsieve.images.decode import DecodeSettings
from pairsieve.images.processes import Processes
from pairsieve.images.reduce import reduce
from pairsieve.records.sample import Image as Row
from pairsieve.storage import parts
from pairsieve.storage.disk_quota import DiskQuota, StoreFull
from transforms.fetch.settings import StoreSettings
from transforms.fetch.store import Stores, open_stores

DECODE = DecodeSettings(("JPEG", "PNG"), 10_000_000, 50)


def encoded(width: int, height: int, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((width, height)).convert("RGB").save(buffer, kind, **options)
    return buffer.getvalue()


def sideways() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


@pytest.mark.parametrize(
    ("content", "small", "was"),
    [
        (encoded(400, 200), (200, 100), (400, 200, "PNG")),
        (encoded(200, 400, "JPEG"), (100, 200), (200, 400, "JPEG")),
        (encoded(4000, 2000, "JPEG"), (200, 100), (4000, 2000, "JPEG")),
        (encoded(400, 200, "JPEG", exif=sideways()), (100, 200), (200, 400, "JPEG")),
        (encoded(1000, 101, "JPEG"), (990, 100), (1000, 101, "JPEG")),
        (encoded(400, 100), None, None),
        (encoded(50, 50), None, None),
        (b"no picture", None, None),
        (encoded(400, 200)[:200], None, None),
    ],
)
def test_reduce(content, small, was):
    found = reduce(content, 100, DECODE)
    assert (found and Image.open(io.BytesIO(found.content)).size) == small
    assert (found and (found.width, found.height, found.format)) == was


def test_a_reduced_picture_looks_as_before():
    found = reduce(encoded(1600, 1200, "JPEG", quality=95), 100, DECODE)
    assert found is not None
    small = Image.open(io.BytesIO(found.content)).convert("L")
    whole = Image.linear_gradient("L").resize((1600, 1200)).resize(small.size)
    assert max(abs(a - b) for a, b in zip(small.tobytes(), whole.tobytes(), strict=True)) <= 8


def store(
    tmp_path, settings: StoreSettings, *contents: bytes
) -> tuple[dict[str, bytes], list[Row]]:
    with open_stores(str(tmp_path), settings, workers=1) as stores:
        with stores.open("part-00000-0000", keep=False) as opened:
            rows = [
                Row(b"", "ok", sha256=hashlib.sha256(content).hexdigest()) for content in contents
            ]
            for row, content in zip(rows, contents, strict=True):
                opened.add(row.sha256, content)
        with parts.open_pictures(str(tmp_path), "part-00000-0000") as pictures:
            return {name: pictures.read(name) for name in pictures.names()}, [
                opened.described(row) for row in rows
            ]


def test_bytes_as_served(tmp_path):
    content = encoded(400, 200)
    stored, (row,) = store(tmp_path, StoreSettings(DECODE), content)
    assert stored == {hashlib.sha256(content).hexdigest(): content}
    assert row.original_width is None


def test_pictures_of_another_store_may_be_smaller_than_served(tmp_path):
    with open_stores(str(tmp_path), StoreSettings(DECODE), workers=1) as stores:
        with stores.open("part-00000-0000", keep=False) as opened:
            opened.add_stored("as served", b"made smaller")
        with parts.open_pictures(str(tmp_path), "part-00000-0000") as pictures:
            assert pictures.read("as served") == b"made smaller"


def test_large_ones_are_stored_small_under_the_hash_of_what_was_served(tmp_path):
    contents = [encoded(400 + n, 200) for n in range(40)] + [encoded(60, 60), b"no picture"]
    stored, rows = store(tmp_path, StoreSettings(DECODE, side=100), *contents)
    assert list(stored) == [row.sha256 for row in rows]
    assert [row.original_width for row in rows] == [400 + n for n in range(40)] + [None, None]
    assert (rows[0].original_height, rows[0].original_format) == (200, "PNG")
    assert list(stored.values())[40:] == contents[40:]
    assert min(Image.open(io.BytesIO(next(iter(stored.values())))).size) == 100


def test_a_store_without_room(tmp_path):
    with pytest.raises(StoreFull, match=r"fetch\.max_store_gb"):
        store(tmp_path, StoreSettings(DECODE, max_bytes=1000), b"x" * 600, b"y" * 600)
    assert not list(tmp_path.iterdir()), "half a store is none"


def test_what_is_stored_already_counts(tmp_path):
    (tmp_path / "part").write_bytes(b"x" * 900)
    quota = DiskQuota(str(tmp_path), 1000, 0, workers=2)
    quota.reserve(50)
    with pytest.raises(StoreFull):
        quota.reserve(1)


def test_a_disk_that_is_almost_full(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=400_000_000))
    quota = DiskQuota(str(tmp_path / "not" / "yet"), None, 1e9, workers=1)
    with pytest.raises(StoreFull, match=r"0\.4 GB left, less than fetch\.min_free_gb"):
        quota.reserve(10)


def test_stores_in_a_bucket_have_no_disk_to_fill(monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: pytest.fail("not asked"))
    Stores(
        "memory://pictures",
        StoreSettings(DECODE),
        DiskQuota("memory://pictures", None, 1e9, 1),
        Processes(1),
    ).quota.reserve(10)
