"""Names that a stranger's manifest gives to files stay in its folder."""

from __future__ import annotations

import pytest

from pairsieve.storage.names import LeadsOut, check_names, lies_in


@pytest.mark.parametrize(
    "name",
    [
        "../../victim", "..", ".", "", "/etc/passwd", "a/../../b", "a//b", "a/./b", "a/",
        "\\\\host\\share", "a\\..\\b", "http://inner/x",
        "file:///etc/passwd", "s3://bucket/x", "zip://x::http://inner/y", "simplecache::x", "a\0b",
        None, 7, ["a"],
    ],
)  # fmt: skip
@pytest.mark.parametrize("folder", ["{tmp}", "memory://ds"])
def test_names_that_lead_out(name, folder, tmp_path):
    with pytest.raises(LeadsOut):
        check_names(folder.format(tmp=tmp_path), [name])


@pytest.mark.parametrize(
    "name",
    [
        "x.parquet",
        "dataset/en/part-00000-of-00001.parquet",
        "a b/ü.parquet",
        "..x/y..",
        "~/x",
        "C:x",
    ],
)
def test_names_that_stay(name, tmp_path):
    check_names(str(tmp_path), [name])


def test_a_folder_that_is_a_link_leads_out(tmp_path):
    (tmp_path / "ds").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "ds" / "sub").symlink_to("../outside")
    with pytest.raises(LeadsOut, match="sub is a link"):
        check_names(str(tmp_path / "ds"), ["sub/x.parquet"])


def test_a_dataset_may_be_reached_by_a_link_and_hold_linked_files(tmp_path):
    """As the cache of a hub has them."""
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / "x").write_text("")
    (tmp_path / "ds").mkdir()
    (tmp_path / "ds" / "x.parquet").symlink_to("../blobs/x")
    (tmp_path / "link").symlink_to("ds")
    check_names(str(tmp_path / "link"), ["x.parquet"])


def test_what_lies_in_a_folder_by_whatever_links(tmp_path):
    (tmp_path / "out" / "work").mkdir(parents=True)
    (tmp_path / "link").symlink_to("out/work")
    (tmp_path / "outside").mkdir()
    inside = [
        tmp_path / "out",
        tmp_path / "out" / "work",
        tmp_path / "link",
        tmp_path / "link" / "new" / "x",
        tmp_path / "x" / ".." / "out",
    ]
    assert all(lies_in(str(path), str(tmp_path / "out")) for path in inside)
    assert not any(
        lies_in(str(tmp_path / name), str(tmp_path / "out"))
        for name in ("outside", "output", "out2/work", "")
    )
    assert lies_in("s3://b/out/work", "s3://b/out")
    assert not lies_in("s3://b/output", "s3://b/out")
