"""Personal data planted in a crawl: nothing that a run leaves for others, or says, holds any of
it.
"""

from __future__ import annotations

import io
from random import Random

import pyarrow.parquet as pq
import pytest

from demo.pictures import picture
from demo.scenes import Scene
from tests.support.datasets import manifest_of
from tests.support.warcs import page, response

PLANTED = (
    "quuxley",
    "zebulon",
    "+49 30 901820",
    "4190592625362874",
    "wibblemark",
    "DE44500105175407324931",
    "flurbtitle",
)


@pytest.fixture(scope="module")
def planted(run_demo, tmp_path_factory):
    """A run on pages with planted words in captions, URLs and titles, one of which makes a detector
    raise.
    """
    folder = tmp_path_factory.mktemp("planted")
    buffer = io.BytesIO()
    picture(Scene("star", "red", "white"), Random(1), 128).save(buffer, "PNG")
    captions = {
        "1.png": "a star in red on a white background, quuxley@example.org",
        "2.png": "a star in red on a white background, call +49 30 901820",
        "3.png": "a star in red on a white background, visa 4190592625362874, iban DE44500105175407324931",
        "zebulon@example.org.png": "a star in red on a white background with a name",
        "4.png": "wibblemark, which is about nothing that the picture shows",
        "5.png": "wibblemark makes a detector raise",
    }
    records = [
        response(f"https://a.example/{name}", buffer.getvalue(), kind="image/png")
        for name in captions
    ]
    records += [
        page(
            "https://a.example/",
            "<title>flurbtitle</title>"
            + "".join(f'<img src="{n}" alt="{c}">' for n, c in captions.items()),
        )
    ]
    crawl = folder / "crawl.warc.gz"
    crawl.write_bytes(b"".join(records))
    raising = (
        "filters.detectors={tests.support.broken_detectors:Wibble: {}, page_rights: {}, response_rights: "
        "{}, picture_metadata: {}, personal_data: {}}"
    )
    rules = (
        "filters.rules={rights: {profile: respect}, personal_data: {captions: redact, urls: "
        "drop}, similarity: {thresholds: {en: 0.3, multi: 0.3, nolang: 0.3}}}"
    )
    settings = [
        argument
        for setting in (raising, rules, "publish.max_quarantine=1")
        for argument in ("--set", setting)
    ]
    return run_demo("--input", str(crawl), *settings, folder=folder)


def test_the_run_met_what_was_planted(planted):
    assert planted.status == 0, planted.printed
    sample = manifest_of(planted.output)["counts"]["publish"]["sample"]
    assert sample["kept"] == 3
    assert sample["dropped"]["personal_data_in_url_email"] == 1
    assert sample["quarantined"] == {"error:ValueError": 1}


def test_nothing_that_is_left_for_others_holds_it(planted):
    said = [planted.printed]
    for path in sorted(path for path in planted.output.rglob("*") if path.is_file()):
        said.append(path.name)
        said.append(
            str(pq.read_table(path).to_pylist()) if path.suffix == ".parquet" else path.read_text()
        )
    found = {word for word in PLANTED for text in said if word in text}
    assert found == set()


def test_nothing_that_is_logged_holds_it(planted, run_demo, caplog, tmp_path):
    caplog.set_level("DEBUG")
    again = run_demo(
        "--input",
        str(planted.output.parent / "crawl.warc.gz"),
        "--set",
        "publish.max_quarantine=1",
        folder=tmp_path,
    )
    assert again.status == 0
    assert not [word for word in PLANTED if word in caplog.text + again.printed]
