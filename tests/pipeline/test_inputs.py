"""Every kind of input through the command."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.orchestrate.config_file import CONFIGS
from tests.support.datasets import counts_of, hashes, manifest_of, rows_of
from tests.support.warcs import cdxj, nested, page, response
from tests.support.web_crawl import CAPTIONS

CRAWL = CONFIGS / "demo" / "crawl.warc.gz"


def test_splits_make_no_difference(demo_run, run_demo, tmp_path):
    split = run_demo("--set", "input.split_mb=0.02", folder=tmp_path)
    assert hashes(split.output / "dataset") == hashes(demo_run.output / "dataset")
    assert hashes(split.output / "ledger") == hashes(demo_run.output / "ledger")
    assert counts_of(split.output)["extract"]["split"]["entered"] > 10


def test_an_archive_inside_a_record_is_read_in_one_piece(run_demo, tmp_path, caplog):
    inner = [
        page(f"https://inner.example/{n}", f"<img src=/{n}.jpg alt='inner picture {n}'>")
        for n in range(40)
    ]
    path = tmp_path / "x.warc.gz"
    path.write_bytes(page() + nested(*inner) + page("https://b.example/"))
    ran = run_demo("--input", str(path), "--set", "input.split_mb=0.001", folder=tmp_path)
    assert ran.status == 0, ran.printed
    assert "an archive lies inside a record of an input" in caplog.text
    assert counts_of(ran.output)["extract"]["page"]["entered"] == 2
    assert counts_of(ran.output)["extract"]["split"]["entered"] == 1


def test_only_the_records_of_an_index_are_read(run_demo, tmp_path):
    records = [
        page(f"https://{n}.example/", f"<img src=p{n}.jpg alt='picture number {n}'>")
        for n in range(4)
    ]
    (tmp_path / "x.warc.gz").write_bytes(b"".join(records))
    (tmp_path / "rows.cdxj").write_bytes(cdxj([("x.warc.gz", len(records[0]), len(records[1]))]))
    ran = run_demo(
        "--set",
        f"input={{kind: index, files: [{tmp_path}/rows.cdxj], base: {tmp_path}/}}",
        folder=tmp_path,
    )
    assert ran.status == 0, ran.printed
    assert counts_of(ran.output)["extract"]["record"]["kept"] == 1
    assert counts_of(ran.output)["fetch"]["pair"]["dropped"] == {"not_in_archive": 1}


def links(site, folder, **columns) -> str:
    urls = [f"{site.origin}{path}" for path in CAPTIONS]
    table = pa.table(
        {
            columns.get("url", "URL"): [*urls, "no url", urls[0]],
            columns.get("caption", "TEXT"): [*CAPTIONS.values(), "a caption", None],
            "SAMPLE_ID": range(5),
        }
    )
    pq.write_table(table, folder / "laion.parquet", row_group_size=2)
    return str(folder / "laion.parquet")


@pytest.mark.parametrize("columns", [{}, {"url": "link", "caption": "words"}])
def test_links_that_others_collected(run_web, site, tmp_path, columns):
    settings = (
        "input.kind=pairs",
        f"input.columns={columns}",
        "filters.rules.rights.unknown_page=keep",
    )
    ran = run_web(*settings, given=links(site, tmp_path, **columns))
    assert ran.status == 0, ran.printed
    assert counts_of(ran.output)["extract"]["image"]["dropped"] == {
        "caption_too_short": 1,
        "url_invalid": 1,
    }
    rows = rows_of(ran.output)
    assert sorted((row["record_id"], row["record_offset"]) for row in rows) == [
        ("0", 0),
        ("1", 1),
        ("2", 2),
    ]
    assert {(row["page_source"], row["page_url"], row["warc_file"]) for row in rows} == {
        ("none", "", "laion.parquet")
    }


def test_links_whose_pages_nobody_saw_are_dropped_unless_told(run_web, site, tmp_path):
    ran = run_web("input.kind=pairs", given=links(site, tmp_path))
    assert counts_of(ran.output)["publish"]["sample"]["dropped"] == {"rights_unknown_page": 3}
    assert not site.asked


def test_pairs_of_an_earlier_dataset_are_not_taken_again(demo_run, run_demo, tmp_path):
    again = run_demo(
        "--set", f"extract.known=['{demo_run.output}/dataset/*/*.parquet']", folder=tmp_path
    )
    known = counts_of(again.output)["extract"]["image"]["dropped"]["already_known"]
    before = rows_of(demo_run.output)
    redacted = [row for row in before if row["tags"]]
    assert len(before) - len(redacted) <= known <= len(before)
    urls = {(row["URL"], row["TEXT"]) for row in before if row not in redacted}
    assert not urls & {(row["URL"], row["TEXT"]) for row in rows_of(again.output)}


def dropped(work) -> dict[str, int]:
    """The reasons of images in the newest result of extract."""
    newest = max(work.glob("extract/*/manifest.json"), key=lambda path: path.stat().st_mtime_ns)
    reasons = json.loads(newest.read_text())["counts"]["image"]["dropped"]
    return {reason: number for reason, number in reasons.items() if number}


def identity_files(work) -> dict[str, int]:
    """Name and time of each file of known pairs."""
    return {str(path): path.stat().st_mtime_ns for path in work.glob("known/*/*.identities")}


def test_an_earlier_dataset_is_grouped_once(run_demo, tmp_path):
    path, known = tmp_path / "x.warc.gz", tmp_path / "earlier.parquet"
    path.write_bytes(
        page(body="<img src=/b.jpg alt='one caption'><img src=/%62.jpg alt='another one'>")
    )
    urls = ["https://a.example/b.jpg", None]

    def run(*more):
        given = ("--stages=extract", "--set", f"extract.known=['{known}']", *more)
        return run_demo("--input", str(path), *given, folder=tmp_path)

    pq.write_table(pa.table({"url": urls, "caption": ["one caption", ""]}), known)
    first = run()
    assert first.status == 0, first.printed
    assert dropped(first.work) == {"already_known": 1}
    (there,) = identity_files(first.work).items()

    # Other settings of extract make another result of it, with the same file of known pairs.
    run("--set=extract.max_page_bytes=1000000")
    assert list(identity_files(first.work).items()) == [there]

    # What was made of an earlier dataset that has changed, or for other settings, is of no use.
    pq.write_table(pa.table({"url": urls, "caption": ["a third one", ""]}), known)
    run()
    assert dropped(first.work) == {}
    run("--set=extract.dedup=url")
    assert dropped(first.work) == {"duplicate": 1, "already_known": 1}
    assert len(identity_files(first.work)) == 3


def test_what_is_known_and_cannot_be_read_stops_the_run(run_demo, tmp_path):
    path, known = tmp_path / "x.warc.gz", tmp_path / "earlier.parquet"
    path.write_bytes(page(body="<img src=/b.jpg alt='one caption'>"))
    given = ("--stages=extract", "--set", f"extract.known=['{known}']", "--input", str(path))

    known.write_bytes(b"nothing")
    ran = run_demo(*given, folder=tmp_path)
    assert ran.status == 2
    assert "earlier.parquet is no parquet file that can be read" in ran.printed

    pq.write_table(pa.table({"url": ["https://a.example/x.jpg"], "caption": ["x"]}), known)
    assert run_demo(*given, folder=tmp_path).status == 0
    ((name, _),) = identity_files(tmp_path / "work").items()
    with open(name, "r+b") as stream:
        stream.truncate(stream.seek(0, 2) - 1)
    again = run_demo(*given, "--set=extract.max_page_bytes=1000000", folder=tmp_path)
    assert again.status == 1
    assert f"{name} is damaged" in again.printed


@pytest.mark.parametrize(("dedup", "kept"), [("pair", 2), ("url", 1)])
def test_one_caption_a_url(dedup, kept, run_demo, tmp_path):
    path = tmp_path / "x.warc.gz"
    path.write_bytes(
        page(body="<img src=/b.jpg alt='one caption'><img src=/%62.jpg alt='another one'>")
    )
    ran = run_demo("--input", str(path), "--set", f"extract.dedup={dedup}", folder=tmp_path)
    assert counts_of(ran.output)["extract"]["image"]["kept"] == kept


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("input.kind=pears", "'archives', 'index' or 'pairs'"),
        ("input.kind=pairs", "links have no archive"),
        ("input.split_mb=0", "input.split_mb is 0"),
        ("input.split_mb=.nan", "input.split_mb is nan"),
        ("publish.shards=[", "'[' is no YAML"),
        ("extract.known=[/nowhere/*.parquet]", "no file matches /nowhere/*.parquet"),
        ("extract.language.detector=cld4", "unknown 'cld4'; known: cld3"),
        ("extract.language.detector='nowhere:Nothing'", "cannot be imported"),
        ("extract.dedup=row", "'pair' or 'url'"),
    ],
)
def test_exit_status_2_with_the_remedy(setting, message, run_demo, tmp_path):
    ran = run_demo("--set", setting, folder=tmp_path)
    assert ran.status == 2
    assert message in ran.printed


def test_what_is_no_table_of_links_is_said_before_anything_starts(run_web, site, tmp_path, crawl):
    ran = run_web("input.kind=pairs")
    assert ran.status == 2
    assert "crawl.warc.gz is no parquet file" in ran.printed
    ran = run_web("input.kind=pairs", given=links(site, tmp_path, url="link"))
    assert (
        "no column for url among link, TEXT, SAMPLE_ID; name it under input.columns" in ran.printed
    )


class AllGerman:
    """A language detector of somebody's own."""

    def __init__(self, settings) -> None: ...

    def __call__(self, caption: str) -> str | None:
        return "de"


def test_a_language_detector_of_ones_own(run_demo, tmp_path):
    path = tmp_path / "x.warc.gz"
    path.write_bytes(
        page(body="<img src=/b.jpg alt='a lovely little house in the mountains'>")
        + response("https://a.example/b.jpg", b"x", kind="image/jpeg")
    )
    ran = run_demo(
        "--input",
        str(path),
        "--set",
        "extract.language.detector='tests.pipeline.test_inputs:AllGerman'",
        folder=tmp_path,
    )
    assert ran.status == 0, ran.printed
    (part,) = ran.work.rglob("extract/*/part-*.parquet")
    assert pq.read_table(part)["language"].to_pylist() == ["de"]


def test_notes_are_told(run_demo, tmp_path, caplog):
    import gzip

    from tests.support.warcs import plain

    path = tmp_path / "x.warc.gz"
    path.write_bytes(gzip.compress(plain(page(), page("https://b.example/"))))
    with caplog.at_level("INFO"):
        ran = run_demo("--input", str(path), folder=tmp_path)
    assert manifest_of(ran.output)["counts"]["extract"]["page"]["kept"] == 2
    assert "extract: file: read_whole_gzip_stream: 1" in caplog.text
