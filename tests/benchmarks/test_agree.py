from __future__ import annotations

import sys

import pytest

from benchmarks import agree
from tests.support.warcs import page
from tests.support.wat_files import envelope, wat_file

BODY = "<table><img src=1.jpg alt='one &amp; two'><p><img src=2.jpg alt=''><img src=3.jpg>"


def run(monkeypatch, *arguments) -> int:
    monkeypatch.setattr(sys, "argv", ["agree.py", *map(str, arguments)])
    return agree.main()


def test_a_file_on_which_all_agree(tmp_path, monkeypatch, capsys):
    (tmp_path / "x.warc.gz").write_bytes(page(body=BODY) + page("https://b.example/"))
    assert run(monkeypatch, tmp_path / "x.warc.gz") == 0
    assert (
        "record offsets, with warcio's index: 2 ours, 2 theirs, 0 missing, 0 more"
        in capsys.readouterr().out
    )


@pytest.mark.parametrize(("alt", "status"), [("one &amp; two", 0), ("something else", 1)])
def test_a_wat_that_says_the_same_or_not(alt, status, tmp_path, monkeypatch, capsys):
    (tmp_path / "x.warc.gz").write_bytes(page("https://a.example/d/", BODY))
    told = envelope(html={"Links": [{"path": "IMG@/src", "url": "1.jpg", "alt": alt}]})
    told["Container"]["Offset"] = "0"
    (tmp_path / "x.wat.gz").write_bytes(wat_file(told))
    assert run(monkeypatch, tmp_path / "x.warc.gz", "--wat", tmp_path / "x.wat.gz") in (status, 1)
    printed = capsys.readouterr().out
    assert ("cc2dataset's rule on the WAT: 1 ours, 1 theirs, 0 missing" in printed) == (status == 0)
