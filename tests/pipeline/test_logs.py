from __future__ import annotations

import json
import logging

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pipeline.monitoring.repeats import LAST_MESSAGE, MAX_MESSAGES, WithoutRepeats
from tests.support.commands import run_in_subprocess
from tests.support.datasets import manifest_of


@pytest.fixture(scope="module")
def logged(tmp_path_factory):
    place = tmp_path_factory.mktemp("logged")
    ran = run_in_subprocess(
        "--output",
        str(place / "out"),
        "--work",
        str(place / "work"),
        "--log",
        "json",
        "--direct_num_workers=1",
    )
    assert ran.returncode == 0, ran.stderr
    return place, ran


def test_every_line_is_json(logged):
    _, ran = logged
    lines = [json.loads(line) for line in ran.stderr.splitlines()]
    assert all({"time", "level", "message"} <= line.keys() for line in lines)
    assert lines[-1]["message"] == "done"
    assert lines[-1]["counts"]["publish"]["sample"]["kept"] == 152
    assert ran.stdout.splitlines() == [f"{logged[0] / 'out'}: 152 kept, 41 dropped, 0 quarantined"]


def test_metrics_are_those_of_the_manifest(logged):
    place, _ = logged
    families = {
        family.name: family
        for family in text_string_to_metric_families((place / "work" / "metrics.prom").read_text())
    }
    found = {
        (s.labels["stage"], s.labels["unit"], s.labels["outcome"], s.labels["reason"]): s.value
        for s in families["pairsieve_outcomes"].samples
    }
    expected = {}
    for stage, units in manifest_of(place / "out")["counts"].items():
        for unit, c in units.items():
            expected |= {
                (stage, unit, "in", ""): c["entered"],
                (stage, unit, "kept", ""): c["kept"],
            }
            for outcome in ("dropped", "quarantined"):
                expected |= {
                    (stage, unit, outcome, reason): number for reason, number in c[outcome].items()
                }
    assert found == expected
    assert {s.labels["stage"] for s in families["pairsieve_stage_seconds"].samples} == {
        "extract",
        "fetch",
        "score",
        "publish",
    }


def warned(name, *messages):
    once = WithoutRepeats()
    records = [
        logging.LogRecord(name, logging.WARNING, "", 0, "%s", (message,), None)
        for message in messages
    ]
    return [record.getMessage() for record in records if once.filter(record)]


def test_what_fails_on_every_row_is_said_once():
    assert warned("pairsieve.attempt", "a", "b", "a", "b") == ["a", "b"]
    # What the command itself says, and what libraries say, is not about rows.
    assert warned("pipeline.commands.run", "a", "a") == ["a", "a"]
    numbers = [str(number) for number in range(2 * MAX_MESSAGES)]
    assert warned("pairsieve.attempt", *numbers) == [*numbers[:MAX_MESSAGES], LAST_MESSAGE]
    assert warned("filters.rights.opt_outs", *numbers) == numbers


def test_quiet(logged):
    place, _ = logged
    ran = run_in_subprocess(
        "--output", str(place / "out"), "--work", str(place / "work"), "--log", "quiet"
    )
    assert (ran.stderr, ran.stdout.count("\n")) == ("", 1)
