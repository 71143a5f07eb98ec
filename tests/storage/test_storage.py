from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys

import pyarrow as pa
import pytest

from pairsieve.records.outcome import Tally
from pairsieve.storage import files, parts


def test_a_file_is_whole_or_absent(tmp_path):
    path = str(tmp_path / "deep" / "x")

    def fail() -> None:
        with files.open_whole(path) as stream:
            stream.write(b"half")
            raise OSError(errno.ENOSPC, "no space left")

    with pytest.raises(OSError, match="no space"):
        fail()
    assert os.listdir(tmp_path / "deep") == []
    files.write_text(path, "whole")
    with pytest.raises(OSError, match="no space"):
        fail()
    assert files.read_text(path) == "whole"


def test_a_disk_that_is_full_when_the_file_is_closed(tmp_path, monkeypatch):
    from fsspec.implementations.local import LocalFileOpener

    def full(self):
        self.f.close()
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(LocalFileOpener, "close", full)
    with pytest.raises(OSError, match="no space"):
        files.write_text(str(tmp_path / "x"), "words")
    assert os.listdir(tmp_path) == []


def test_leftovers_of_killed_writers_are_removed(tmp_path):
    for name in ("x.parquet", "x.parquet.abc.tmp"):
        (tmp_path / name).write_text("")
    files.remove_leftovers(str(tmp_path))
    assert os.listdir(tmp_path) == ["x.parquet"]


def test_object_stores_too():
    path = "memory://bucket/folder/x.txt"
    files.write_text(path, "whole")
    assert files.read_text(path) == "whole"
    assert files.names_in("memory://bucket/folder") == ["x.txt"]
    assert not files.is_local(path)
    assert files.public_name(path) == path
    files.remove_tree("memory://bucket/folder")
    assert not files.exists(path)


def test_expand(tmp_path):
    for name in ("b.gz", "a.gz", "c.txt"):
        (tmp_path / name).write_text("")
    assert files.expand(f"{tmp_path}/*.gz") == [f"{tmp_path}/a.gz", f"{tmp_path}/b.gz"]
    assert files.expand(f"{tmp_path}/a.gz") == [f"{tmp_path}/a.gz"]
    assert files.expand(f"{tmp_path}/z.gz") == []
    assert files.public_name(f"{tmp_path}/a.gz") == "a.gz"


def test_ukey_changes_with_the_file(tmp_path):
    path = tmp_path / "x"
    path.write_text("one")
    before = files.ukey(str(path))
    path.write_text("other")
    assert files.ukey(str(path)) != before


def test_private_files(tmp_path):
    files.write_private(str(tmp_path / "key"), "secret")
    assert stat.S_IMODE(os.stat(tmp_path / "key").st_mode) == 0o600


def test_replace_tree(tmp_path):
    for folder, name in (("old", "gone"), ("new", "here")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text("x")
    files.replace_tree(str(tmp_path / "new"), str(tmp_path / "old"))
    assert os.listdir(tmp_path) == ["old"]
    assert os.listdir(tmp_path / "old") == ["here"]


@pytest.mark.parametrize("folder", ["{tmp}/parts", "memory://parts"])
def test_parts(folder, tmp_path):
    place = folder.format(tmp=tmp_path)
    tally = Tally({("pair", "kept", ""): 2, ("pair", "dropped", "x"): 1})
    parts.write_part(place, parts.part_name(3, 1), pa.table({"a": [1, 2, 3]}), tally)
    assert parts.part_names(place) == ["part-00003-0001"]
    assert parts.bucket_of("part-00003-0001") == 3
    summary = parts.part_summary(place, "part-00003-0001")
    assert (summary.rows, summary.tally) == (3, tally)
    assert parts.read_part(place, "part-00003-0001")["a"].to_pylist() == [1, 2, 3]
    files.remove_tree(place)


def test_unfinished_parts_are_not_parts(tmp_path):
    (tmp_path / "part-00000-0000.parquet.abc.tmp").write_text("half")
    assert parts.part_names(str(tmp_path)) == []


def test_pictures(tmp_path):
    with parts.write_pictures(str(tmp_path), "part-00000-0000") as writer:
        writer.add("a", b"first")
        writer.add("b", b"")
        writer.add("a", b"first")
    with parts.open_pictures(str(tmp_path), "part-00000-0000") as reader:
        assert reader.read("b") == b""
        assert reader.read("a") == b"first"
        with pytest.raises(KeyError):
            reader.read("c")


def test_pictures_are_in_the_file_once_they_are_flushed(tmp_path):
    with parts.write_pictures(str(tmp_path), "part-00000-0000") as writer:
        writer.add("a", b"first")
        writer.flush()
        (unfinished,) = tmp_path.glob("*.tmp")
        assert b"first" in unfinished.read_bytes()


def test_one_thread_may_flush_while_another_adds(tmp_path):
    script = """
import sys, threading
from pairsieve.storage import parts
sys.setswitchinterval(1e-5)
with parts.write_pictures(sys.argv[1], "part-00000-0000") as writer:
    adding = threading.Thread(
        target=lambda: [writer.add(str(n), bytes(20_000), "x") for n in range(3000)]
    )
    adding.start()
    while adding.is_alive():
        writer.flush()
"""
    # In a process of its own: threads that wait for each other cannot be ended.
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, timeout=120)
    with parts.open_pictures(str(tmp_path), "part-00000-0000") as reader:
        assert len(reader.names()) == 3000


def test_a_digest_that_is_known_is_not_computed_again(tmp_path):
    for name, known in (("part-00000-0000", None), ("part-00000-0001", parts.digest_of(b"first"))):
        with parts.write_pictures(str(tmp_path), name) as writer:
            writer.add("a", b"first", known)
    one, other = (path.read_bytes() for path in tmp_path.iterdir())
    assert one == other


def test_pictures_of_a_store_that_failed_are_gone(tmp_path, capfd):
    def write_and_fail():
        with parts.write_pictures(str(tmp_path), "part-00000-0000") as writer:
            writer.add("a", b"first")
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        write_and_fail()
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr().err == "", "Arrow would complain of what it could not write"


def mode_of(path):
    return path.stat().st_mode & 0o777


def test_what_is_private_is_so_from_its_first_byte(tmp_path):
    before = os.umask(0)
    try:
        with files.open_whole(str(tmp_path / "new" / "folder" / "secret"), private=True) as stream:
            (temporary,) = (tmp_path / "new" / "folder").iterdir()
            assert mode_of(temporary) == 0o600
            stream.write(b"x")
        files.write_private(str(tmp_path / "new" / "other"), "x")
        files.make_private_folder(str(tmp_path / "work"))
        files.write_text(str(tmp_path / "public" / "x"), "x")
    finally:
        os.umask(before)
    assert (
        mode_of(tmp_path / "new" / "folder" / "secret")
        == mode_of(tmp_path / "new" / "other")
        == 0o600
    )
    assert (
        mode_of(tmp_path / "new")
        == mode_of(tmp_path / "new" / "folder")
        == mode_of(tmp_path / "work")
        == 0o700
    )
    assert mode_of(tmp_path / "public") == 0o777


def test_what_is_named_has_been_synced(tmp_path, monkeypatch):
    """Its content before it has its name, the name afterwards."""
    done = []
    monkeypatch.setattr(
        os,
        "fsync",
        lambda handle: done.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file"),
    )
    real = os.replace
    monkeypatch.setattr(
        os, "replace", lambda source, target: (done.append("named"), real(source, target))
    )
    files.write_text(str(tmp_path / "x"), "content")
    assert done == ["file", "named", "folder"]
    done.clear()
    files.write_text(str(tmp_path / "progress"), "content", synced=False)
    assert done == ["named"]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/home/anna/crawl/x.warc.gz", "x.warc.gz"),
        ("s3://commoncrawl/crawl-data/x.warc.gz", "s3://commoncrawl/crawl-data/x.warc.gz"),
        ("https://a.example/x.warc.gz?X-Amz-Signature=secret&a=/b", "https://a.example/x.warc.gz"),
        ("https://anna:secret@a.example/x.warc.gz#secret", "https://a.example/x.warc.gz"),
        ("https://a.example/@anna/x.warc.gz", "https://a.example/@anna/x.warc.gz"),
    ],
)
def test_names_that_are_published_let_nobody_in(path, name):
    assert files.public_name(path) == name
