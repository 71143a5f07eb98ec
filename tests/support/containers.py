"""The same four records in every container that archives have."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable, Sequence

import lz4.frame

from pairsieve.warc.codecs import zstd_library
from tests.support.archives import A, B, C
from tests.support.warcs import page, plain, response

zstd = zstd_library()
PICTURE = response("https://a.example/p.jpg", b"pixels", kind="image/jpeg")
RECORDS = [plain(member) for member in (A, B, PICTURE, C)]
SAMPLES = [plain(page(f"https://{n}.example/", f"<p>page {n}")) for n in range(200)]
DICTIONARY = zstd.train_dict(SAMPLES, 4000)

Pack = Callable[[Sequence[bytes]], bytes]
"""Records that are not compressed -> an archive."""


def skippable(content: bytes) -> bytes:
    return b"\x5d\x2a\x4d\x18" + len(content).to_bytes(4, "little") + content


def with_dictionary(records: Sequence[bytes], dictionary: bytes) -> bytes:
    frames = [zstd.compress(record, zstd_dict=DICTIONARY) for record in records]
    return skippable(dictionary) + b"".join(frames)


def wacz(archives: dict[str, bytes], method: int = zipfile.ZIP_STORED, index: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as made:
        made.writestr("datapackage.json", "{}", zipfile.ZIP_DEFLATED)
        for name, content in archives.items():
            made.writestr(f"archive/{name}", content)
        made.writestr("indexes/index.cdx.gz", gzip.compress(index), zipfile.ZIP_STORED)
        made.writestr("indexes/index.idx", "!meta 0 {}")
        made.writestr("pages/pages.jsonl", "{}")
    return buffer.getvalue()


def wacz_of_waczs(waczs: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """A MultiWACZ, as Browsertrix gives a collection for download."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as made:
        for name, content in waczs.items():
            made.writestr(name, content)
        made.writestr("datapackage.json", '{"profile": "multi-wacz-package"}')
    return buffer.getvalue()


def gzipped(records: Sequence[bytes]) -> bytes:
    return b"".join(map(gzip.compress, records))


def zstds(records: Sequence[bytes]) -> bytes:
    return b"".join(map(zstd.compress, records))


def lz4s(records: Sequence[bytes]) -> bytes:
    return b"".join(map(lz4.frame.compress, records))


def in_two(records: Sequence[bytes]) -> bytes:
    return wacz({"1.warc.gz": gzipped(records[:2]), "2.warc.zst": zstds(records[2:])})


MEMBERS: dict[str, Pack] = {
    "gzip": gzipped,
    "zstd": zstds,
    "zstd with a dictionary": lambda records: with_dictionary(records, DICTIONARY.dict_content),
    "zstd with a compressed dictionary": lambda records: with_dictionary(
        records, zstd.compress(DICTIONARY.dict_content)
    ),
    "zstd with other frames": lambda records: b"".join(
        b"\x50\x2a\x4d\x18\3\0\0\0abc" + zstd.compress(record) for record in records
    ),
    "lz4": lz4s,
    "WACZ": lambda records: wacz({"x.warc.gz": gzipped(records)}),
    "WACZ of two": in_two,
    "WACZ of WACZs": lambda records: wacz_of_waczs(
        {
            "1.wacz": wacz({"x.warc.gz": gzipped(records[:2])}),
            "2.WACZ": wacz({"x.warc.zst": zstds(records[2:])}),
        }
    ),
    "WACZ with a dictionary": lambda records: wacz_of_waczs(
        {
            "0.wacz": wacz({"w.warc.zst": zstds(records[:1])}),
            "1.wacz": wacz(
                {
                    "x.warc.gz": gzipped(records[1:2]),
                    "y.warc.zst": with_dictionary(records[2:], DICTIONARY.dict_content),
                }
            ),
        }
    ),
    "WACZ with LZ4": lambda records: wacz({"x.warc.lz4": lz4s(records)}),
}
STREAMS: dict[str, Pack] = {
    "gzip stream": lambda records: gzip.compress(b"".join(records)),
    "zstd stream": lambda records: zstd.compress(b"".join(records)),
    "lz4 stream": lambda records: lz4.frame.compress(b"".join(records)),
    "gzip stream in a WACZ": lambda records: wacz({"x.warc.gz": gzip.compress(b"".join(records))}),
    "compressed WACZ": lambda records: wacz({"x.warc.gz": gzipped(records)}, zipfile.ZIP_DEFLATED),
    "compressed WACZ in a WACZ": lambda records: wacz_of_waczs(
        {"1.wacz": wacz({"x.warc": b"".join(records)}, zipfile.ZIP_DEFLATED)}
    ),
    "compressed WACZ, plain": lambda records: wacz(
        {"x.warc": b"".join(records)}, zipfile.ZIP_DEFLATED
    ),
}
PLAIN: dict[str, Pack] = {
    "plain": b"".join,
    "plain in a WACZ": lambda records: wacz({"x.warc": b"".join(records)}),
}
EVERY = MEMBERS | STREAMS | PLAIN
