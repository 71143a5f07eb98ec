from __future__ import annotations

import gzip
from dataclasses import FrozenInstanceError

import pytest
import yaml

from pipeline.commands.run import main
from pipeline.config import InputConfig
from pipeline.load_config import load_config
from pipeline.orchestrate.config_file import CONFIGS, ConfigError, merged
from pipeline.orchestrate.plan import find_inputs, make_plan

DEMO = CONFIGS / "demo.yaml"


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_configs_are_valid(path):
    config = load_config(path, ["fetch.contact=https://example.org/bot"])
    assert config.name
    with pytest.raises(FrozenInstanceError):
        config.name = "other"


@pytest.mark.parametrize(
    ("name", "thresholds", "min_bytes", "shards"),
    [
        ("laion400m", {"en": 0.30}, 5000, 32),
        ("laion2b-en", {"en": 0.28}, 5000, 128),
        ("laion5b", {"en": 0.28, "multi": 0.26, "nolang": 0.26}, 5000, 128),
    ],
)
def test_laions_own_parameters(name, thresholds, min_bytes, shards):
    config = load_config(CONFIGS / f"{name}.yaml", ["fetch.contact=x"])
    assert config.filters.rules["similarity"]["thresholds"] == thresholds
    assert config.filters.rules["image_size"]["min_bytes"] == min_bytes
    assert config.publish.shards == shards
    assert config.extract.caption.min_chars == 5
    assert {"nsfw_picture", "faces"} <= set(config.filters.detectors)
    assert {"nudity", "medical", "personal_data"} <= set(config.filters.rules)


ERRORS = [
    (["extract.bukets=1"], "unknown setting extract.bukets; did you mean 'buckets'?"),
    (["fetch.sauce=web"], "unknown setting fetch.sauce; did you mean 'source'?"),
    (
        ["score.models.demo.architectur=x"],
        "unknown setting score.models.demo.architectur; did you mean 'architecture'?",
    ),
    (["zebra=1"], "unknown setting zebra; known: "),
    (["fetch.source=webb"], "fetch.source: Input should be 'web' or 'archive' (found 'webb')"),
    (["fetch.max_bytes=many"], "fetch.max_bytes: Input should be a valid integer"),
    (["extract.buckets=0"], "extract.buckets is 0; it must be at least 1"),
    (["score.routes.en=other"], "score.routes.en is 'other'; name one of score.models: demo"),
    (["fetch.source=web"], "set fetch.contact to a URL or address"),
    (["input.limit=0"], "input.limit is 0; it must be at least 1"),
    (["output=work/demo"], "output and work are the same directory"),
    (["name"], "write it as --set name.of.setting=value"),
    (["name.x=1"], "name is a value and holds no settings"),
]


@pytest.mark.parametrize(("overrides", "message"), ERRORS)
def test_errors_name_the_remedy(overrides, message):
    with pytest.raises(ConfigError) as raised:
        load_config(DEMO, overrides)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ("filters.rules.similarty={}", "unknown rule 'similarty'; did you mean 'similarity'?"),
        (
            "filters.rules.similarity={}",
            "thresholds must be set; a setting that decides which samples survive has no default",
        ),
        ("filters.detectors.licens={}", "unknown detector 'licens'; did you mean 'licence'?"),
        ("score.models.demo.architecture=local-dir:/nonexistent", "no model in /nonexistent"),
        ("input.files=[/nonexistent/*.gz]", "no file matches /nonexistent/*.gz"),
        ("input.files=[]", "give --input PATTERN or set input.files"),
        ("input.sample=2", "input.sample is 2, but there are only 1 files"),
        (
            "input.listings=[/nonexistent/warc.paths]",
            "cannot read the listing /nonexistent/warc.paths (FileNotFoundError)",
        ),
    ],
)
def test_plans_are_checked_before_anything_starts(rules, message):
    with pytest.raises(ConfigError) as raised:
        make_plan(load_config(DEMO, [rules]))
    assert message in str(raised.value)


@pytest.mark.parametrize("missing", ["extract", "filters", "publish", "output"])
def test_what_must_be_set(missing, tmp_path):
    raw = yaml.safe_load(DEMO.read_text())
    del raw[missing]
    (tmp_path / "x.yaml").write_text(yaml.safe_dump(raw))
    with pytest.raises(ConfigError, match=f"{missing} must be set"):
        load_config(tmp_path / "x.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [("[", "is not YAML"), ("", "holds no settings"), ("- a", "holds no settings")],
)
def test_files_that_are_no_config(text, message, tmp_path):
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_config(tmp_path / "x.yaml")


def test_no_such_file_names_the_shipped_ones():
    with pytest.raises(ConfigError, match=r"demo\.yaml"):
        load_config("/nonexistent.yaml")


def test_here_is_the_configs_own_folder(tmp_path):
    (tmp_path / "x.yaml").write_text(DEMO.read_text())
    assert load_config(tmp_path / "x.yaml").input.files == (f"{tmp_path}/demo/crawl.warc.gz",)


def test_inputs_are_found_once(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.warc.gz").write_text("")
    config = load_config(
        DEMO, given={"input": {"files": [f"{tmp_path}/*.gz", f"{tmp_path}/a.warc.gz"]}}
    )
    assert find_inputs(config.input) == (f"{tmp_path}/a.warc.gz", f"{tmp_path}/b.warc.gz")


@pytest.fixture
def listing(tmp_path):
    (tmp_path / "warc.paths.gz").write_bytes(
        gzip.compress(b"".join(b"crawl/%02d.warc.gz\n" % n for n in range(20)) + b"\n")
    )
    return str(tmp_path / "warc.paths.gz")


def test_a_listing_as_common_crawl_publishes_it(listing):
    found = find_inputs(InputConfig(listings=(listing,), base="https://data.example/"))
    assert found == tuple(f"https://data.example/crawl/{n:02d}.warc.gz" for n in range(20))


def test_limit_and_sample(listing):
    everything = find_inputs(InputConfig(listings=(listing,)))
    assert find_inputs(InputConfig(listings=(listing,), limit=3)) == everything[:3]
    drawn = find_inputs(InputConfig(listings=(listing,), sample=5, seed=1))
    assert len(set(drawn)) == 5
    assert set(drawn) < set(everything)
    assert drawn == find_inputs(InputConfig(listings=(listing,), sample=5, seed=1))
    assert drawn != find_inputs(InputConfig(listings=(listing,), sample=5, seed=2))
    assert find_inputs(InputConfig(listings=(listing,), sample=5, seed=1, limit=2)) == drawn[:2]


def test_a_listing_that_is_cut_off_is_an_error(tmp_path):
    (tmp_path / "warc.paths.gz").write_bytes(gzip.compress(b"a.warc.gz\n" * 1000)[:-10])
    with pytest.raises(ConfigError, match="cannot read the listing"):
        find_inputs(InputConfig(listings=(str(tmp_path / "warc.paths.gz"),)))


def test_input_patterns_replace_the_configs_files_and_leave_its_limit(listing):
    overrides = [f"input.listings=[{listing}]", "input.limit=2", "input.files=[/elsewhere]"]
    config = load_config(DEMO, overrides, {"input": {"files": ["/here"], "listings": []}})
    assert config.input == InputConfig(files=("/here",), limit=2)


def configs_in(folder, **files):
    for name, settings in files.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(settings))
    return folder / "own.yaml"


def test_a_config_extends_another(tmp_path):
    raw = yaml.safe_load(DEMO.read_text())
    change = {
        "extends": "base.yaml",
        "name": "own",
        "filters": {"rules": {"similarity": {"thresholds": {"en": 0.5}}, "subset": None}},
        "score": {"decode": {"formats": ["JPEG"]}},
    }
    base = {**raw, "filters": {**raw["filters"], "rules": {"subset": {"keep": ["en"]}}}}
    base["filters"]["rules"] |= raw["filters"]["rules"]
    config = load_config(configs_in(tmp_path, own=change, base=base))
    before = load_config(configs_in(tmp_path, own=base))
    thresholds = config.filters.rules["similarity"]["thresholds"]
    assert config.name == "own"
    assert thresholds == {**before.filters.rules["similarity"]["thresholds"], "en": 0.5}
    assert [*config.filters.rules] == [n for n in before.filters.rules if n != "subset"]
    assert config.score.decode.formats == ("JPEG",), "lists are replaced"
    assert config.score.models == before.score.models


# RFC 7396, appendix A, but for the cases whose patch removes or replaces the whole document.
@pytest.mark.parametrize(
    ("original", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merged_as_a_json_merge_patch(original, patch, result):
    assert merged(original, patch) == result


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"own": {"extends": "own.yaml"}}, "in a circle: own.yaml -> own.yaml"),
        (
            {"own": {"extends": "a.yaml"}, "a": {"extends": "own.yaml"}},
            "in a circle: own.yaml -> a.yaml -> own.yaml",
        ),
        ({"own": {"extends": "gone.yaml"}}, "cannot read the config .*gone.yaml"),
        ({"own": {"extends": ["a.yaml"]}}, "give the name of one config file"),
    ],
)
def test_what_cannot_be_extended(files, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        load_config(configs_in(tmp_path, **files))


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_printed_config_gives_the_same_config(path, tmp_path, capsys):
    contact = ["--set", "fetch.contact=https://a.example"]
    assert main(["--config", str(path), *contact, "--print-config"]) == 0
    (tmp_path / "printed.yaml").write_text(capsys.readouterr().out)
    printed = load_config(tmp_path / "printed.yaml")
    assert printed == load_config(path, ["fetch.contact=https://a.example"])
