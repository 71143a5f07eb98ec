"""A run looks up each input, plugin and earlier result once, however many there are."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import fsspec
import pytest

from pairsieve.storage import files
from pipeline.orchestrate import results
from pipeline.orchestrate.results import Results
from tests.support.datasets import manifest_of

LISTED = 90_000


@pytest.fixture
def looked_up(monkeypatch) -> Counter[str]:
    """How often a run looks at an input, identifies a plugin, and reads a manifest."""
    seen: Counter[str] = Counter()
    ukeys, identity, read_text = files.ukeys, results.identity, files.read_text

    def count_ukeys(paths):
        seen.update(paths)
        return ukeys(paths)

    def count_identity(plugin):
        seen[f"plugin {type(plugin).__name__}"] += 1  # detectors and rules share names
        return identity(plugin)

    def count_read(path, *arguments):
        folders = path.split("/")
        if folders[-1] == "manifest.json" and folders[-3:-2] != ["run0"]:
            seen[f"manifest {'/'.join(folders[-3:-1])}"] += 1
        return read_text(path, *arguments)

    monkeypatch.setattr(files, "ukeys", count_ukeys)
    monkeypatch.setattr(results, "identity", count_identity)
    monkeypatch.setattr(files, "read_text", count_read)
    return seen


def of(seen: Counter[str], *starts: str) -> dict[str, int]:
    return {name: number for name, number in seen.items() if name.startswith(starts)}


def test_a_run_with_nothing_to_do(run_demo, tmp_path, looked_up):
    run_demo(folder=tmp_path)
    looked_up.clear()
    again = run_demo(folder=tmp_path)
    assert again.status == 0
    inputs = {name: n for name, n in looked_up.items() if name.endswith("crawl.warc.gz")}
    assert list(inputs.values()) == [1]
    plugins = of(looked_up, "plugin ")
    assert len(plugins) > 20
    assert set(plugins.values()) == {1}
    stages = ("manifest extract/", "manifest fetch/", "manifest score/", "manifest publish/")
    own = of(looked_up, *stages)
    assert len(own) == 4
    # a result's own manifest once, and that of score once more among all results of score
    assert {name.split("/")[0]: number for name, number in own.items()} == {
        "manifest extract": 1,
        "manifest fetch": 1,
        "manifest score": 2,
        "manifest publish": 1,
    }


def test_a_run_with_one_rule_changed(run_demo, tmp_path, looked_up):
    run_demo(folder=tmp_path)
    looked_up.clear()
    again = run_demo("--set", "filters.rules.similarity.thresholds.en=0.99", folder=tmp_path)
    assert again.status == 0
    assert manifest_of(again.output)["counts"]["publish"]["sample"]["dropped"]["similarity_low"]
    assert set(of(looked_up, "plugin ").values()) == {1}
    assert [n for name, n in looked_up.items() if name.endswith("crawl.warc.gz")] == [1]
    for name, number in of(looked_up, "manifest score/").items():
        assert number <= 2, name  # as a result of this run, and as an earlier one


def test_a_reopened_fetch_is_looked_up_without_its_inputs(demo_plan, looked_up):
    before = Results(demo_plan)
    names = [result.stage.fingerprint for result in before.in_order]
    looked_up.clear()
    again = before.again()
    assert [result.stage.fingerprint for result in again.in_order] == names
    assert again.scored is not before.scored
    assert not of(looked_up, "plugin ")
    assert not any(name.endswith("crawl.warc.gz") for name in looked_up)


@pytest.mark.parametrize("base", ["https://data.example/crawl/", "s3://bucket/crawl/", "/nowhere/"])
def test_a_long_listing(demo_plan, base, monkeypatch):
    """Stores are asked for none of the inputs, and no filesystem is looked up for each of them."""
    inputs = tuple(f"{base}CC-MAIN-{number:05d}.warc.gz" for number in range(LISTED))
    calls: Counter[str] = Counter()
    url_to_fs = fsspec.core.url_to_fs

    def count(*arguments, **options):
        calls["url_to_fs"] += 1
        return url_to_fs(*arguments, **options)

    monkeypatch.setattr(fsspec.core, "url_to_fs", count)
    if base == "/nowhere/":
        monkeypatch.setattr(type(fsspec.filesystem("file")), "ukey", lambda self, path: path)
    found = Results(replace(demo_plan, inputs=inputs))
    assert len({result.stage.fingerprint for result in found.in_order}) == 4
    assert len(found.extracted.stage.settings["inputs"]) == LISTED
    assert calls["url_to_fs"] < 100


@pytest.mark.parametrize(
    "path",
    ["s3://b/x", "memory://x", "simplecache::s3://b/x", "https://a.example/x", "zip://x::/tmp/a"],
)
def test_files_elsewhere_have_no_key(path):
    assert files.ukeys([path, path]) == ["", ""]


def test_the_key_of_a_local_file(tmp_path, monkeypatch):
    """In whatever form its path is given, it is what fsspec says of it."""
    (tmp_path / "x").write_text("one")
    fs, name = fsspec.core.url_to_fs(str(tmp_path / "x"))
    monkeypatch.chdir(tmp_path)
    forms = [str(tmp_path / "x"), f"file://{tmp_path}/x", f"local://{tmp_path}/x", "x"]
    assert files.ukeys(forms) == [fs.ukey(name)] * 4
