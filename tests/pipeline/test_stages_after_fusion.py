"""How many stages each job has when a runner has fused it.

On Flink each is tasks to be set up: 56 of them took 35 s for nothing.
"""

from __future__ import annotations

import shutil

import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.pipeline import Pipeline
from apache_beam.portability import common_urns
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from pipeline.flow import extract
from pipeline.load_config import load_config
from pipeline.orchestrate.job_settings import Jobs
from pipeline.orchestrate.plan import make_plan
from pipeline.orchestrate.results import Results
from pipeline.orchestrate.stage_result import STAGES
from tests.support.paths import DEMO

MOST = {"extract": 3, "fetch": 2, "score": 2, "compare": 10, "publish": 3}
# one spreads the work over workers; in extract and publish one more carries the pairs, or the rows
# compare: hashes meet by name, by band, in one forest, with their roots, by group, and by part
SHUFFLES = {"extract": 2, "fetch": 1, "score": 1, "compare": 7, "publish": 2}
COMPARING = {"filters": {"detectors": {"near_copies": {}}}}


def fused(lay_out) -> tuple[int, int]:
    """(stages, shuffles) of a job."""
    pipeline = Pipeline(options=PipelineOptions([]))
    lay_out(pipeline)
    job = pipeline.to_runner_api()
    _, stages = FnApiRunner().create_stages(job)
    shuffles = [
        t
        for t in job.components.transforms.values()
        if t.spec.urn == common_urns.primitives.GROUP_BY_KEY.urn
    ]
    return len(stages), len(shuffles)


@pytest.mark.parametrize("stage", STAGES)
def test_jobs_stay_narrow(stage, demo_run, monkeypatch):
    monkeypatch.setattr(
        Jobs, "unfinished", lambda self, folder: ["part-00000-0000", "part-00001-0000"]
    )
    given = COMPARING if stage == "compare" else {}
    plan = make_plan(
        load_config(
            DEMO, given={"output": str(demo_run.output), "work": str(demo_run.work), **given}
        )
    )
    stages, shuffles = fused(Jobs(Results(plan), 2).lay_out(stage, "/nowhere", b""))
    assert (stages, shuffles) == (MOST[stage], SHUFFLES[stage]), (
        "each stage more costs a cluster seconds: is it needed?"
    )


def test_several_files_are_spread_before_they_are_split(demo_run, tmp_path):
    """One stage and one shuffle more than one file has: on Flink one more vertex."""
    crawl = load_config(DEMO).input.files[0]
    for name in ("a.warc.gz", "b.warc.gz"):
        shutil.copyfile(crawl, tmp_path / name)
    given = {
        "output": str(tmp_path / "out"),
        "work": str(tmp_path / "work"),
        "input": {"files": [str(tmp_path / "*.warc.gz")]},
    }
    jobs = Jobs(Results(make_plan(load_config(DEMO, given=given))), 2)
    stages, shuffles = fused(jobs.lay_out("extract", "/nowhere", b""))
    assert (stages, shuffles) == (MOST["extract"] + 1, SHUFFLES["extract"] + 1)


def test_known_pairs_go_through_no_shuffle(demo_run, tmp_path):
    """Two reshuffles spread their files and the pieces of these: paths and numbers alone."""
    known = str(demo_run.output / "dataset" / "*" / "*.parquet")
    folders = {"output": str(tmp_path / "out"), "work": str(tmp_path / "work")}
    plan = make_plan(load_config(DEMO, given={**folders, "extract": {"known": [known]}}))
    job = Jobs(Results(plan), 2).extract("/nowhere")
    pipeline = Pipeline(options=PipelineOptions([]))
    extract(pipeline, job)
    transforms = pipeline.to_runner_api().components.transforms.values()
    shuffles = [
        transform.unique_name
        for transform in transforms
        if transform.spec.urn == common_urns.primitives.GROUP_BY_KEY.urn
    ]
    assert sorted(name.partition("/")[0] for name in shuffles) == [
        "Group by host",
        "Group known pairs",
        "Group known pairs",
        "Read archives",
    ]
