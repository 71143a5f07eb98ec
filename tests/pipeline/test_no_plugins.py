"""A config of somebody else names code; `--no-plugins` refuses it before anything of it is
imported.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from importlib.metadata import EntryPoint

import pytest

from filters.catalogue import catalogue
from pipeline.cli import TASKS
from pipeline.load_config import load_config
from pipeline.orchestrate.config_file import CONFIGS, ConfigError

GIVEN = {"output": "/nonexistent/out", "work": "/nonexistent/work"}
PLANTED = "planted_plugin"
NAMED = [
    f"filters.detectors={{'{PLANTED}:Detector': {{}}}}",
    f"filters.rules={{'{PLANTED}:Rule': {{}}}}",
    f"extract.language.detector={PLANTED}:Language",
    "filters.detectors={installed: {}}",
    "filters.rules={installed: {}}",
    "extract.language.detector=installed",
]
READS_CONFIG = {
    "run": [],
    "erase": [
        "--dataset",
        "{dataset}",
        "--confirm",
        "ab" * 16,
        "--dry-run",
        "--config",
        "{config}",
    ],
    "check": ["--dataset", "{dataset}", "--config", "{config}"],
    "recheck": ["--dataset", "{dataset}", "--work", "{dataset}.work", "--config", "{config}"],
    "calibrate": ["--labels", "{labels}", "--score", "punsafe"],
    "hashes": ["--pictures", "{dataset}", "--out", "{labels}", "--config", "{config}"],
    "search": ["--dataset", "{dataset}", "--meaning", "a star", "--config", "{config}"],
    "explore": ["--dataset", "{dataset}", "--config", "{config}"],
}


@pytest.fixture
def planted(tmp_path, monkeypatch):
    """A module that leaves a trace when it is imported, and entry points that lead to it."""
    trace = tmp_path / "trace"
    (tmp_path / f"{PLANTED}.py").write_text(f"open({str(trace)!r}, 'w').close()\n")
    monkeypatch.syspath_prepend(tmp_path)
    points = [EntryPoint("installed", f"{PLANTED}:Detector", "pairsieve.detectors")]
    for module in ("filters.registry", "pairsieve.web.language", "filters.catalogue"):
        monkeypatch.setattr(f"{module}.entry_points", lambda group: points)
    yield trace
    sys.modules.pop(PLANTED, None)


@pytest.mark.parametrize("setting", NAMED)
def test_a_config_that_names_code_is_refused(setting, planted):
    load_config(CONFIGS / "demo.yaml", [setting], GIVEN)
    with pytest.raises(ConfigError, match=r"--no-plugins refuses it") as raised:
        load_config(CONFIGS / "demo.yaml", [setting], GIVEN, plugins=False)
    named = PLANTED if PLANTED in setting else "installed"
    assert named in str(raised.value)
    assert setting.partition("=")[0] in str(raised.value)
    assert not planted.exists()


@pytest.mark.parametrize("config", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.name)
def test_shipped_configs_name_no_code_of_others(config):
    load_config(config, ["fetch.contact=https://example.org"], GIVEN, plugins=False)


@pytest.mark.parametrize("verb", READS_CONFIG)
def test_every_verb_that_reads_a_config_refuses(verb, planted, demo_run, tmp_path, capsys):
    if verb in ("search", "explore"):
        pytest.importorskip("tantivy")
        assert (
            import_module("pipeline.commands.index").main(
                ["--dataset", str(demo_run.output), "--out", str(tmp_path / "index")]
            )
            == 0
        )
    (tmp_path / "labels.csv").write_text("path,label\nx.png,1\ny.png,0\n")
    places = {
        "dataset": str(demo_run.output),
        "labels": str(tmp_path / "labels.csv"),
        "config": str(CONFIGS / "demo.yaml"),
    }
    arguments = [one.format(**places) for one in READS_CONFIG[verb]]
    arguments += ["--index", str(tmp_path / "index")] if verb in ("search", "explore") else []
    arguments += (
        ["--output", str(tmp_path / "out"), "--work", str(tmp_path / "work")]
        if verb == "run"
        else []
    )
    setting = f"filters.rules={json.dumps({f'{PLANTED}:Rule': {}})}"
    assert (
        import_module(f"pipeline.commands.{verb}").main(
            [*arguments, "--set", setting, "--no-plugins"]
        )
        == 2
    )
    assert f"'{PLANTED}:Rule'" in capsys.readouterr().err
    assert not planted.exists()


def test_no_verb_with_a_config_is_forgotten():
    """Each verb that has --config has --no-plugins too."""
    verbs = [verb for group in TASKS.values() for verb in group]
    has = {
        verb: import_module(f"pipeline.commands.{verb}").make_parser()._option_string_actions
        for verb in verbs
    }
    assert {verb for verb, options in has.items() if "--config" in options} == set(READS_CONFIG)
    assert {verb for verb, options in has.items() if "--no-plugins" in options} == set(READS_CONFIG)


def test_rules_are_listed_without_code_of_others(planted):
    assert all(
        entry["source"] == "built in"
        for kind in catalogue(plugins=False).values()
        for entry in kind
    )
    assert not planted.exists()
