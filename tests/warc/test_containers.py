"""Archives in every container: the same pages, in any splits, and pictures at their offsets."""

from __future__ import annotations

import gzip
import io
import zipfile
from contextlib import closing

import lz4.frame
import pytest

from pairsieve.records.outcome import Counted, Noted, Rejection, balance, notes, tally_of
from pairsieve.records.page import Location, Page
from pairsieve.warc.cdx import BadIndex, BadRow, excerpts
from pairsieve.warc.codecs import zstd_library
from pairsieve.warc.reader import ReadSettings, read_places
from pairsieve.warc.source import ArchiveReader, ArchiveSettings, read_at
from pairsieve.warc.wacz import NotAWacz
from tests.support.archives import ALL, pages, problems, read, read_file
from tests.support.containers import (
    DICTIONARY,
    EVERY,
    MEMBERS,
    PLAIN,
    RECORDS,
    STREAMS,
    gzipped,
    skippable,
    wacz,
    wacz_of_waczs,
    with_dictionary,
)
from tests.support.warcs import cdxj

zstd = zstd_library()
WACZ = "NotAWacz"
OUTCOMES = (Rejection, Counted, Noted)


def adds_up(found: list[object]) -> bool:
    tally = tally_of(item for item in found if isinstance(item, OUTCOMES))
    return all(balance(tally, unit).adds_up for unit in ("file", "split", "record"))


@pytest.mark.parametrize("name", EVERY)
def test_every_container_has_the_same_pages(name, tmp_path):
    found = read(tmp_path, EVERY[name](RECORDS))
    assert pages(found) == ALL
    assert problems(found) == []
    assert adds_up(found)
    by_members = read(tmp_path, gzipped(RECORDS))
    for ours, theirs in zip(
        (item for item in found if isinstance(item, Page)),
        (item for item in by_members if isinstance(item, Page)),
        strict=True,
    ):
        assert (ours.url, ours.headers, ours.payload) == (
            theirs.url,
            theirs.headers,
            theirs.payload,
        )


@pytest.mark.parametrize("name", MEMBERS | PLAIN)
def test_pictures_are_read_at_their_offsets(name, tmp_path):
    found = read(tmp_path, EVERY[name](RECORDS))
    (location,) = (item for item in found if isinstance(item, Location))
    _, body = read_at(location.warc_file, location.record_offset, ArchiveSettings(100))
    assert body == b"pixels"


@pytest.mark.parametrize("name", STREAMS)
def test_streams_have_no_offsets(name, tmp_path):
    found = read(tmp_path, EVERY[name](RECORDS))
    assert not any(isinstance(item, Location) for item in found)
    noted = notes(tally_of(item for item in found if isinstance(item, OUTCOMES)))
    assert [what.startswith("file: read_whole_") for what in noted] == [True]


@pytest.mark.parametrize("name", MEMBERS)
@pytest.mark.parametrize("split_bytes", [40, 300, 1000])
def test_any_split_has_each_record_once(name, split_bytes, tmp_path):
    path = tmp_path / "x.warc.gz"
    path.write_bytes(MEMBERS[name](RECORDS))
    found = list(read_file(path, split_bytes=split_bytes))
    assert pages(found) == ALL
    assert problems(found) == []
    assert adds_up(found)


@pytest.mark.parametrize("name", ["gzip", "zstd", "lz4", "WACZ", "zstd with a dictionary"])
@pytest.mark.parametrize("split_bytes", [None, 200])
def test_a_damaged_member_costs_itself_alone(name, split_bytes, tmp_path):
    whole = MEMBERS[name](RECORDS)
    path = tmp_path / "x.warc.gz"
    # Where the second record lies: what follows the first one.
    first = whole.index(MEMBERS[name.replace("WACZ", "gzip")](RECORDS[:1])[-60:]) + 60
    path.write_bytes(
        whole[: first + 20]
        + bytes(255 - b for b in whole[first + 20 : first + 60])
        + whole[first + 60 :]
    )
    found = list(read_file(path, split_bytes=split_bytes))
    assert pages(found) == [ALL[0], ALL[2]]
    assert problems(found) == [("record", "damaged")]
    assert adds_up(found)


@pytest.mark.parametrize("name", EVERY)
def test_a_cut_file_is_read_up_to_there(name, tmp_path):
    whole = EVERY[name](RECORDS)
    found = read(tmp_path, whole[: len(whole) // 2])
    assert adds_up(found)
    assert set(pages(found)) < set(ALL)
    assert not [reason for _, reason in problems(found) if reason.startswith("error:")]
    assert problems(found)


@pytest.mark.parametrize(
    "content",
    [
        b"PK\3\4 and nothing",
        wacz({}),
        wacz({"x.warc.gz": b"no archive"}),
        skippable(b"no dictionary") + zstd.compress(RECORDS[0]),
        skippable(zstd.compress(b"no dictionary")[:-3]) + zstd.compress(RECORDS[0]),
        b"\x5d\x2a\x4d\x18\xff\xff\xff\xff",
        zstd.compress(b"no archive"),
        lz4.frame.compress(b"no archive"),
        b"\x28\xb5\x2f\xfd",
        b"\x04\x22\x4d\x18",
    ],
)
def test_what_is_no_archive_is_one_problem(content, tmp_path):
    found = read(tmp_path, content)
    assert pages(found) == []
    ((unit, reason),) = problems(found)
    assert unit == "file"
    assert reason.startswith("unreadable_")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (wacz({"0.warc.gz": b"", "x.warc.gz": gzipped(RECORDS)}), "EOFError"),
        (wacz({".DS_Store": b"no archive", "x.warc.gz": gzipped(RECORDS)}), "NotAnArchive"),
        (wacz({"0.zst": b"\x5d\x2a\x4d\x18\xff" * 4, "x.warc": b"".join(RECORDS)}), "ValueError"),
        (wacz_of_waczs({"0.wacz": b"PK", "1.wacz": wacz({"x.warc": b"".join(RECORDS)})}), WACZ),
        (wacz_of_waczs({"0.wacz": wacz({}), "1.wacz": wacz({"x": b"".join(RECORDS)})}), WACZ),
    ],
)
def test_an_archive_of_a_wacz_that_cannot_be_read_costs_itself_alone(content, reason, tmp_path):
    """Browsertrix has left empty WARC files behind; file managers add files of their own."""
    found = read(tmp_path, content)
    assert pages(found) == ALL
    assert problems(found) == [("split", f"unreadable_{reason}")]
    assert adds_up(found)
    noted = notes(tally_of(item for item in found if isinstance(item, OUTCOMES)))
    assert noted["split: nothing_read"] == 1


def test_compressed_and_overlapping_waczs_in_a_wacz(tmp_path):
    good = wacz({"x.warc": b"".join(RECORDS)})
    assert problems(read(tmp_path, wacz_of_waczs({"1.wacz": good}, zipfile.ZIP_DEFLATED))) == [
        ("file", f"unreadable_{WACZ}")
    ]
    # The directory names the first WACZ twice.
    twice = wacz_of_waczs({"1.wacz": good, "2.wacz": good})
    at = twice.rindex(b"PK\1\2", 0, twice.rindex(b"PK\1\2"))
    first_place = (0).to_bytes(4, "little")
    found = read(tmp_path, twice[: at + 42] + first_place + twice[at + 46 :])
    assert pages(found) == ALL
    assert problems(found) == [("split", f"unreadable_{WACZ}")]


def _with_index(index: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr("archive/x.warc.gz", gzipped(RECORDS))
        made.writestr("indexes/index.cdx.gz", index)
    return buffer.getvalue()


LINES = cdxj([("x.warc.gz", 0, len(gzip.compress(RECORDS[0])))])


@pytest.mark.parametrize(
    "damaged",
    [
        _with_index(gzip.compress(LINES)[:-9]),
        _with_index(b"\x1f\x8b\x08\0 not deflated"),
        _with_index(b"\x1f\x8b\x07\0 no method"),
        _with_index(LINES).replace(LINES, LINES.swapcase()),
    ],
)
def test_a_damaged_index_of_a_wacz_costs_itself_alone(damaged, tmp_path):
    path = tmp_path / "x.wacz"
    path.write_bytes(damaged)
    with pytest.raises(NotAWacz, match="index"):
        list(excerpts(str(path), "", {}))
    path.write_bytes(
        wacz_of_waczs({"0.wacz": damaged, "1.wacz": _with_index(gzip.compress(LINES))})
    )
    bad, excerpt = excerpts(str(path), "", {})
    assert isinstance(bad, BadRow)
    assert pages(read_places(excerpt, ReadSettings(10_000, locate=True))) == [ALL[0]]


GOOD = wacz({"x.warc.gz": gzipped(RECORDS)}, index=LINES)


@pytest.mark.parametrize("damaged", [b"", b"PK", b"PK\3\4" + bytes(500), GOOD[:-30]])
def test_a_wacz_behind_another_is_not_taken_for_that(damaged, tmp_path):
    """A zip file is looked for from its end backwards: the records of the first came twice."""
    content = wacz_of_waczs({"0.wacz": GOOD, "1.wacz": damaged})
    found = read(tmp_path, content)
    assert pages(found) == ALL
    assert problems(found) == [("split", "unreadable_NotAWacz")]
    path = tmp_path / "x.wacz"
    path.write_bytes(content)
    excerpt, bad = sorted(excerpts(str(path), "", {}), key=lambda item: isinstance(item, BadRow))
    assert isinstance(bad, BadRow)
    assert pages(read_places(excerpt, ReadSettings(10_000, locate=True))) == [ALL[0]]


def test_only_the_records_that_a_wacz_names_are_read(tmp_path):
    archive = gzipped(RECORDS)
    path = tmp_path / "x.wacz"
    sizes = [len(gzip.compress(record)) for record in RECORDS]
    places = [("x.warc.gz", 0, sizes[0]), ("x.warc.gz", sum(sizes[:3]), sizes[3])]
    path.write_bytes(wacz({"x.warc.gz": archive}, index=cdxj(places)))
    settings = ReadSettings(10_000, locate=True)
    found = [
        item for excerpt in excerpts(str(path), "", {}) for item in read_places(excerpt, settings)
    ]
    assert pages(found) == [ALL[0], ALL[2]]
    inner = wacz({"x.warc.gz": archive}, index=cdxj(places))
    path.write_bytes(
        wacz_of_waczs(
            {"0.wacz": wacz({"x.warc.gz": archive}, index=cdxj(places[:1])), "1.wacz": inner}
        )
    )
    found = [
        item for excerpt in excerpts(str(path), "", {}) for item in read_places(excerpt, settings)
    ]
    assert pages(found) == [ALL[0], ALL[0], ALL[2]]
    path.write_bytes(wacz_of_waczs({"0.wacz": b"PK", "1.wacz": wacz({}), "2.wacz": inner}))
    bad, none, excerpt = excerpts(str(path), "", {})
    assert isinstance(bad, BadRow)
    assert isinstance(none, BadRow)
    assert pages(read_places(excerpt, settings)) == [ALL[0], ALL[2]]
    path.write_bytes(wacz_of_waczs({"0.wacz": b"PK"}))
    with pytest.raises(NotAWacz):
        list(excerpts(str(path), "", {}))
    heading, end = b" CDX g V\n", len(archive)
    path.write_bytes(wacz({"x.warc.gz": archive}, index=heading + b"x.warc.gz %d\n" % sizes[0]))
    (excerpt,) = excerpts(str(path), "", {})
    assert pages(read_places(excerpt, settings)) == [ALL[1]]
    path.write_bytes(wacz({"x.warc.gz": archive}, index=heading + b"x.warc.gz %d\n" % end))
    with pytest.raises(BadIndex):
        list(excerpts(str(path), "", {}))
    path.write_bytes(wacz({"x.warc.gz": archive}, index=cdxj([("y.warc.gz", 0, 10)])))
    with pytest.raises(BadIndex, match=r"row 1 of the index .* names no file"):
        list(excerpts(str(path), "", {}))


def test_a_picture_behind_a_wacz_that_cannot_be_read(tmp_path):
    archive = with_dictionary(RECORDS, DICTIONARY.dict_content)
    content = wacz_of_waczs({"0.wacz": wacz({}), "1.wacz": wacz({"x.warc.zst": archive})})
    (location,) = (item for item in read(tmp_path, content) if isinstance(item, Location))
    _, body = read_at(location.warc_file, location.record_offset, ArchiveSettings(100))
    assert body == b"pixels"


def test_each_archive_of_a_wacz_is_read_with_its_own_dictionary(tmp_path):
    other = zstd.train_dict([bytes(str(number), "ascii") * 99 for number in range(400)], 1000)
    archives = {
        "0.warc.zst": with_dictionary(RECORDS, DICTIONARY.dict_content),
        "1.warc.zst": skippable(other.dict_content)
        + b"".join(zstd.compress(record, zstd_dict=other) for record in RECORDS),
    }
    found = read(tmp_path, wacz(archives))
    first, second = (item for item in found if isinstance(item, Location))
    with closing(ArchiveReader(ArchiveSettings(100))) as reader:
        for location in (first, second, second, first):
            _, body = reader.read_at(location.warc_file, location.record_offset)
            assert body == b"pixels"
