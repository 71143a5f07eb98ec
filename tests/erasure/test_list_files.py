"""Lists as others hand them out: spreadsheets' byte order marks, UTF-16, line ends, columns,
parquet. Written by pandas.
"""

from __future__ import annotations

import gzip
import io
import json

import pandas
import pyarrow
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.detector import MissingModel
from filters.rights.opt_outs import OptOutRegistries
from pairsieve.erasure.list_file import UnreadableList
from pairsieve.erasure.lists import read_lists
from pairsieve.erasure.opt_outs import read_opt_outs
from pairsieve.erasure.requests import MalformedRequests, read_requests

MD5, SHA256 = "ab" * 16, "cd" * 32
ROWS = pandas.DataFrame(
    {
        "md5": [MD5, None, None],
        "note": ["a, b; c", "two\nlines", "d\te"],
        "sha256": [None, None, SHA256],
    }
)


def csv(**options) -> bytes:
    stream = io.BytesIO()
    ROWS.to_csv(stream, index=False, **options)
    return stream.getvalue()


def parquet() -> bytes:
    stream = io.BytesIO()
    ROWS.to_parquet(stream)
    return stream.getvalue()


FORMS = {
    "csv": csv(),
    "Excel's CSV UTF-8": csv(encoding="utf-8-sig", lineterminator="\r\n"),
    "Excel's Unicode text": csv(encoding="utf-16", sep="\t", lineterminator="\r\n"),
    "UTF-16 without a mark": csv(encoding="utf-16-le"),
    "UTF-16 the other way round": csv(encoding="utf-16-be"),
    "semicolons, as Excel in Germany": csv(sep=";", encoding="utf-8-sig"),
    "all quoted": csv(quoting=1),
    "old line ends": csv(lineterminator="\r", quoting=1),
    "gzipped": gzip.compress(csv(), mtime=0),
    "parquet": parquet(),
    # as NSRL's Reference Data Set (RDS 2.x, NSRLFile.txt) writes SHA-1
    "hyphens": csv().replace(b"sha256", b"SHA-256"),
    "underscores": csv(quoting=1).replace(b"sha256", b"SHA_256"),
    "spaces": csv(sep=";").replace(b"sha256", b" SHA 256 "),
    "upper case": csv().replace(b"md5", b"MD5").upper().replace(b"NOTE", b"Note"),
}


@pytest.mark.parametrize("form", FORMS)
def test_hash_lists_in_every_form(form, tmp_path):
    (tmp_path / "list").write_bytes(FORMS[form])
    known = read_lists({str(tmp_path / "list"): "auto"}).known
    assert (known["md5"], known["sha256"]) == ({MD5}, {SHA256})


@pytest.mark.parametrize("form", FORMS)
def test_registries_in_every_form(form, tmp_path):
    (tmp_path / "list").write_bytes(FORMS[form])
    found, _ = read_opt_outs({str(tmp_path / "list"): "auto"}, skip_unreadable=False)
    assert found.match_picture(MD5, None)
    assert found.match_picture(None, SHA256)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_requests_in_every_form(encoding, end, tmp_path):
    lines = [json.dumps({"domain": "a.example"}), "", json.dumps({"sha256": SHA256})]
    (tmp_path / "requests").write_bytes(end.join(lines).encode(encoding))
    assert [request.kind for request in read_requests(str(tmp_path / "requests"))] == [
        "domain",
        "sha256",
    ]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"# nothing\n",
        b"md5\n",
        b"name,mail\nAnna,anna@a.example",
        b"hello world\n",
        b"\xff\xfe\xfd",
        b"PAR1 and no more",
        b"\x1f\x8b\0",
        "höhe".encode("latin-1"),
        b"\0" * 1000,
        b'md5,note\n"' + b"x" * 200_000,
        b"md5,note\n" + b"x" * 200_000 + b",1",
        b'"' * 1001,
        b"\x1f\x8b" + b"\0" * 100,
        gzip.compress(b"x y\n" * 1000, mtime=0)[:-20],
        parquet()[:200],
        parquet()[:-8] + b"\xff\xff\xff\x7fPAR1",
        json.dumps([[]] * 100).encode(),
    ],
)
def test_a_file_of_which_nothing_is_understood_is_refused(content, tmp_path):
    (tmp_path / "list").write_bytes(content)
    path = str(tmp_path / "list")
    for read in (
        lambda: read_lists({path: "auto"}),
        lambda: read_opt_outs({path: "auto"}, skip_unreadable=True),
    ):
        with pytest.raises(UnreadableList, match="list"):
            read()
    with pytest.raises(MalformedRequests):
        read_requests(path)


def test_each_line_that_cannot_be_read_is_named_and_none_is_repeated(tmp_path):
    (tmp_path / "list").write_text(f"{MD5}\nAnna Berger\n{SHA256}\nxyz\n")
    with pytest.raises(
        UnreadableList,
        match=r"line 2: this is not a hash in hex digits; line 4: .*Correct or remove",
    ) as raised:
        read_lists({str(tmp_path / "list"): "auto"})
    assert "Anna" not in str(raised.value)
    (tmp_path / "many").write_text(MD5 + "\n" + "x y\n" * 100)
    with pytest.raises(UnreadableList, match="and 80 more lines"):
        read_lists({str(tmp_path / "many"): "auto"})


REGISTRY = """\
# exported 2026-11-01
refused.example
*.shop.example
https://whole.example/
HTTPS://Artist.Example/Gallery/
pictures.example/~anna
https://pictures.example/img/cat.jpg
https://pictures.example/view?id=3
https://cdn.example/w_300,h_200/p.jpg
https://words.example/p.jpg,by Anna
https://höhe.example/
https://pictures.example/b%C3%BCcher/
192.0.2.7
"""
COVERED = [
    ("https://refused.example/a.jpg", "domain"),
    ("http://img.refused.example:8080/a.jpg", "domain"),
    ("https://notrefused.example/a.jpg", None),
    ("https://refused.example.org/a.jpg", None),
    ("https://a.shop.example/", "domain"),
    ("https://shop.example/", "domain"),
    ("https://whole.example/any/thing.jpg", "domain"),
    ("https://artist.example/gallery/1.jpg", "place"),
    ("https://www.artist.example/Gallery", "place"),
    ("https://artist.example/galleryx/1.jpg", None),
    ("https://pictures.example/~anna/1.jpg", "place"),
    ("https://pictures.example/%7Eanna/1.jpg", "place"),
    ("https://pictures.example/~annabel/1.jpg", None),
    ("http://pictures.example/img/cat.jpg", "place"),
    ("https://pictures.example/img/cat.jpg?size=2", "place"),
    ("https://pictures.example/img/cat.jpg2", None),
    ("https://pictures.example/view?id=3", "address"),
    ("https://pictures.example/view?id=30", None),
    ("https://cdn.example/w_300,h_200/p.jpg", "place"),
    ("https://cdn.example/w_300%2Ch_200/p.jpg", "place"),
    ("https://words.example/p.jpg", "place"),
    ("https://xn--hhe-sna.example/a", "domain"),
    ("https://pictures.example/bücher/a", "place"),
    ("https://pictures.example/b%c3%bccher/a", "place"),
    ("http://192.0.2.7:8080/a.jpg", "domain"),
]


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    path = tmp_path_factory.mktemp("registry") / "registry.txt"
    path.write_text(REGISTRY, "utf-8")
    found, skipped = read_opt_outs({str(path): "auto"}, skip_unreadable=False)
    assert skipped == []
    return found


@pytest.mark.parametrize(("url", "kind"), COVERED)
def test_what_a_registry_covers(url, kind, registry):
    assert registry.match_url(url) == kind


def test_columns_say_what_is_in_them(tmp_path):
    rows = pandas.DataFrame(
        {
            "Domain": ["a.example"],
            "Account": ["b.example/anna"],
            "SHA256": [SHA256],
            "URL": ["https://c.example/1.jpg"],
        }
    )
    rows.to_parquet(tmp_path / "registry.parquet")
    rows.to_csv(tmp_path / "registry.csv", index=False)
    for name in ("registry.parquet", "registry.csv"):
        found, _ = read_opt_outs({str(tmp_path / name): "auto"}, skip_unreadable=False)
        assert [
            found.match_url(url)
            for url in ("https://a.example/", "https://b.example/anna/1", "https://c.example/1.jpg")
        ] == [
            "domain",
            "place",
            "place",
        ]
        assert found.match_picture(None, SHA256)


def evidence(**changes):
    return {
        "url": "https://a.example/1.jpg",
        "page_url": "https://b.example/",
        "md5": None,
        "sha256": None,
        **changes,
    }


def test_the_rule(tmp_path):
    (tmp_path / "list").write_text(f"refused.example\nb.example/anna\n{SHA256}")
    rule = OptOutRegistries({str(tmp_path / "list"): "auto"})
    assert rule.saves_request
    assert [d.reason for d in rule.judge(evidence())] == []
    assert [d.reason for d in rule.judge(evidence(url="https://x.refused.example/1.jpg"))] == [
        "opt_out_domain"
    ]
    assert [d.reason for d in rule.judge(evidence(page_url="https://b.example/anna/"))] == [
        "opt_out_place"
    ]
    assert [
        d.reason for d in rule.judge(evidence(final_url="https://refused.example/", sha256=SHA256))
    ] == [
        "opt_out_picture",
        "opt_out_domain",
    ]
    before = rule.prepare()
    (tmp_path / "list").write_text(f"{SHA256}\nb.example/anna\nrefused.example")
    assert OptOutRegistries({str(tmp_path / "list"): "auto"}).prepare() == before, (
        "what a file names counts, not how"
    )


def test_a_line_that_cannot_be_read_stops_the_run_unless_told(tmp_path, caplog):
    (tmp_path / "list").write_text("refused.example\nAnna Berger\n")
    files = {str(tmp_path / "list"): "auto"}
    with pytest.raises(
        MissingModel, match=r"line 2: this is not a domain, URL, account .*skip_unreadable"
    ):
        OptOutRegistries(files).prepare()
    OptOutRegistries(files, skip_unreadable=True).prepare()
    assert "line 2" in caplog.text
    assert "Anna" not in caplog.text


@given(st.binary(max_size=200))
def test_any_file_is_read_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(content)
    for read in (read_lists, lambda files: read_opt_outs(files, skip_unreadable=True)):
        try:
            read({str(path): "auto"})
        except UnreadableList:
            continue


def test_packed_lists_have_a_bound(tmp_path, monkeypatch):
    monkeypatch.setattr("pairsieve.erasure.list_file.MAX_BYTES", 1000)
    (tmp_path / "list").write_bytes(gzip.compress(b"ab" * 16 + b"\n" + b" " * 1_000_000))
    with pytest.raises(UnreadableList, match="unpacked; split it"):
        read_lists({str(tmp_path / "list"): "auto"})


@pytest.mark.parametrize(
    "column",
    [
        pyarrow.array([MD5.encode(), b"\xff\xfe"], pyarrow.binary()),
        pyarrow.array([MD5, None]).dictionary_encode(),
        pyarrow.array([MD5, "x"], pyarrow.large_string()),
    ],
)
def test_tables_of_other_types(column, tmp_path):
    pq.write_table(pyarrow.table({"MD5": column}), tmp_path / "list")
    found, _ = read_opt_outs({str(tmp_path / "list"): "auto"}, skip_unreadable=True)
    assert found.match_picture(MD5, None)


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_two_columns_that_mean_the_same(form, tmp_path):
    """One would hide the other."""
    path = tmp_path / "list"
    columns = {"sha256": ["0" * 64], "SHA-256": ["1" * 64]}
    if form == "csv":
        path.write_text("sha256,SHA-256\n" + ",".join(cell for (cell,) in columns.values()) + "\n")
    else:
        pq.write_table(pyarrow.table(columns), path)
    with pytest.raises(UnreadableList, match="two columns that mean sha256"):
        read_lists({str(path): "auto"})
