from __future__ import annotations

import pytest

from pipeline.orchestrate.reuse import reuse_table
from pipeline.orchestrate.stage_result import Manifests, Stage, StageResult

SETTINGS = {
    "inputs": [["a.warc.gz", "1"]],
    "score": {"precision": "fp32", "models": {"m": 1}},
    "detectors": [{"name": "faces", "version": 1}],
}
RIGHTS = [{"name": "rights", "settings": {"profile": "respect"}}]


def line(tmp_path, **changed):
    """What is said of a stage after one like it, but for what changed, was finished."""
    StageResult(Stage("score", 3, SETTINGS, "up", RIGHTS), Manifests(str(tmp_path))).finish({})
    now = {"version": 3, "settings": SETTINGS, "upstream": "up", "opinions": RIGHTS, **changed}
    (said,) = reuse_table([StageResult(Stage("score", **now), Manifests(str(tmp_path)))])
    return said


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, "score    reused"),
        ({"version": 4}, "score    to do: this version of pairsieve computes it in another way"),
        ({"upstream": "other"}, "score    to do: what comes before it is new"),
        (
            {"settings": {**SETTINGS, "score": {"precision": "bf16", "models": {"m": 1}}}},
            "score    to do: score.precision",
        ),
        (
            {"settings": {**SETTINGS, "inputs": [["a.warc.gz", "1"], ["b.warc.gz", "2"]]}},
            "score    to do: 1 more inputs",
        ),
        (
            {"settings": {**SETTINGS, "detectors": [{"name": "faces", "version": 2}]}},
            "score    to do: faces",
        ),
        (
            {"opinions": [{"name": "rights", "settings": {"profile": "strict"}}]},
            "score    to do: rights decides in another way before the fetch",
        ),
    ],
)
def test_why_a_stage_is_not_reused(changed, said, tmp_path):
    assert line(tmp_path, **changed) == said


def test_a_stage_that_was_never_done(tmp_path):
    result = StageResult(Stage("fetch", 1, {}, ""), Manifests(str(tmp_path)))
    assert reuse_table([result]) == ["fetch    to do: not done before"]


def test_a_stage_that_was_begun(tmp_path):
    from pathlib import Path

    result = StageResult(Stage("fetch", 1, {}, ""), Manifests(str(tmp_path)))
    Path(result.folder).mkdir(parents=True)
    (Path(result.folder) / "part-00000-0000.parquet").touch()
    assert reuse_table([result]) == ["fetch    to do: not done before; 1 parts are there already"]
