"""A config or an input that changes: what is settled is neither asked for nor scored again."""

from __future__ import annotations

import json

import pytest

from tests.support.datasets import hashes, manifest_of
from tests.support.warcs import page


def kept(run) -> int:
    return manifest_of(run.output)["counts"]["publish"]["sample"]["kept"]


@pytest.fixture
def scored(monkeypatch):
    """The image URLs of the pairs whose pictures were scored."""
    from transforms.score import handler

    seen = []
    score_rows = handler.score_rows

    def count(pairs, images, *rest):
        seen.extend(
            pair.url for pair, image in zip(pairs, images, strict=True) if image.status == "ok"
        )
        return score_rows(pairs, images, *rest)

    monkeypatch.setattr(handler, "score_rows", count)
    return seen


def test_a_stricter_rule_asks_for_nothing(run_web, site, scored):
    run_web()
    site.asked.clear()
    scored.clear()
    stricter = run_web("filters.rules.subset={keep: [multi]}")
    assert not site.asked
    assert not scored
    assert kept(stricter) == 0


def test_a_looser_rule_asks_for_what_was_kept_back_alone(run_web, site, scored):
    run_web()
    site.asked.clear()
    scored.clear()
    run_web("filters.rules.rights.profile=record")
    assert set(site.asked_beside_files) == {"/fish.png"}
    assert len(scored) == len([url for url in scored if url.endswith("/fish.png")])
    run_web()
    assert site.asked["/fish.png"] == 1, "the first result is still there"


def test_more_pages_cost_only_new_pairs(run_web, site, crawl, scored, tmp_path):
    run_web()
    site.asked.clear()
    scored.clear()
    more = tmp_path / "more.warc.gz"
    site.contents["/new.png"] = site.contents["/car.png"]
    more.write_bytes(
        page(
            f"{site.origin}/more.html",
            '<img src="/new.png" alt="a car in blue on a yellow background"><img src="/star.png" alt="a star in red on a white background">',
        )
    )
    grown = run_web(given=str(tmp_path / "*.warc.gz"))
    assert set(site.asked_beside_files) == {"/new.png"}
    assert [url.rpartition("/")[2] for url in scored] == ["new.png"]
    assert kept(grown) == 3


def test_grown_and_made_at_once_are_the_same_bytes(run_demo, tmp_path):
    """Pictures from the archive: nothing in a row says when it was asked for."""
    from demo.crawl import make_crawl, write_warc

    records = list(make_crawl())
    half = len(records) // 2
    for folder in ("grown", "at_once"):
        (tmp_path / folder).mkdir()
        write_warc(records[:half], tmp_path / folder / "a.warc.gz")
    pattern = str(tmp_path / "{}" / "*.warc.gz")
    run_demo("--input", pattern.format("grown"), folder=tmp_path / "grown")
    for folder in ("grown", "at_once"):
        write_warc(records[half:], tmp_path / folder / "b.warc.gz")
    grown = run_demo("--input", pattern.format("grown"), folder=tmp_path / "grown")
    once = run_demo("--input", pattern.format("at_once"), folder=tmp_path / "at_once")
    assert grown.status == once.status == 0
    assert hashes(grown.output) == hashes(once.output)
    assert kept(once) > 100


def test_a_new_model_asks_for_nothing_where_pictures_are_kept(run_web, site):
    run_web("fetch.keep_images=always")
    site.asked.clear()
    again = run_web(
        "fetch.keep_images=always", "score.batch_size=3", "filters.rules.rights.profile=record"
    )
    assert set(site.asked_beside_files) == {"/fish.png"}
    assert (
        json.loads((again.output / "manifest.json").read_text())["counts"]["score"]["pair"][
            "quarantined"
        ]
        == {}
    )
