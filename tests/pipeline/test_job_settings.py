"""What the settings of a job depend on besides the config."""

from __future__ import annotations

import os

import pytest

from pipeline.load_config import load_config
from pipeline.orchestrate.job_settings import Jobs
from pipeline.orchestrate.plan import make_plan
from pipeline.orchestrate.results import Results
from tests.support.paths import DEMO


@pytest.mark.parametrize(
    ("setting", "processes", "one_machine", "decoders"),
    [
        ((), 1, True, 8),
        ((), 2, True, 4),
        ((), 16, True, 1),
        (("score.decode_processes=3",), 2, True, 3),
        # Nobody knows how many workers a machine of a cluster has: each decides by its own cores.
        ((), 2, False, None),
    ],
)
def test_workers_of_one_machine_share_its_cores(
    setting, processes, one_machine, decoders, demo_run, monkeypatch
):
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    given = {"output": str(demo_run.output), "work": str(demo_run.work)}
    plan = make_plan(load_config(DEMO, setting, given))
    job = Jobs(Results(plan), 2, one_machine).score(processes)
    assert job.settings.decode_processes == decoders


@pytest.mark.parametrize(
    ("setting", "is_same"),
    [
        # Passes on several threads give the same digits (tests/clip/test_encoder.py).
        ("score.threads=2", True),
        ("score.decode_processes=2", True),
        ("score.precision=bf16", False),
        ("score.batch_size=7", False),
    ],
)
def test_settings_that_change_no_score_keep_the_scores(setting, is_same, demo_run):
    given = {"output": str(demo_run.output), "work": str(demo_run.work)}
    before, after = (
        Results(make_plan(load_config(DEMO, sets, given))).scored.stage.fingerprint
        for sets in ((), (setting,))
    )
    assert (before == after) == is_same


def test_each_part_of_an_archive_has_a_lane_of_its_own(demo_run, monkeypatch):
    names = [f"part-00012-{chunk:04}" for chunk in range(3)]  # all of one host
    monkeypatch.setattr(Jobs, "unfinished", lambda self, folder: names)
    given = {"output": str(demo_run.output), "work": str(demo_run.work)}
    plan = make_plan(load_config(DEMO, ["fetch.source=archive"], given))
    assert [lane.names for lane in Jobs(Results(plan), 2).fetch().lanes] == [
        (name,) for name in names
    ]
