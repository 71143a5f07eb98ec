"""What the score job asks of its workers."""

from __future__ import annotations

import apache_beam as beam

from pairsieve.clip.settings import EncoderSettings
from pairsieve.images.decode import DecodeSettings
from pairsieve.storage.settled import Looking
from pairsieve.warc.source import ArchiveSettings
from pipeline.flow import ScoreJob, score
from transforms.score.handler import CPU_PARTS, DEVICE_PARTS, PartHandler
from transforms.score.settings import ScoreFolders, ScoreSettings

HINT, RAM = "beam:resources:accelerator:v1", "beam:resources:min_ram_bytes:v1"
GPU = {"accelerator": "type:nvidia-tesla-t4;count:1;install-nvidia-driver", "min_ram": "16GB"}
FOLDERS = ScoreFolders("pairs", "images", "pictures", "samples")


def settings(device: str = "cpu") -> ScoreSettings:
    return ScoreSettings(
        {},
        {},
        {},
        EncoderSettings(device),
        None,
        DecodeSettings((), 1, 1.0),
        Looking(0.3),
        1.0,
        False,
        ArchiveSettings(1),
    )


def environments(hints: dict[str, str]) -> dict[str, dict[str, bytes]]:
    """The resource hints of each step's environment."""
    pipeline = beam.Pipeline()
    score(pipeline, ScoreJob(["part"], settings(), (), FOLDERS, hints))
    components = pipeline.to_runner_api().components
    steps = {
        one.unique_name: one.environment_id
        for one in components.transforms.values()
        if not one.subtransforms
    }
    return {
        name: dict(components.environments[where].resource_hints)
        for name, where in steps.items()
        if where
    }


def test_every_step_that_scores_and_writes_runs_where_the_accelerator_is():
    """So that no score crosses from one worker to another."""
    found = {
        name: said for name, said in environments(GPU).items() if name.startswith("Score parts/")
    }
    assert found
    assert {said[HINT] for said in found.values()} == {GPU["accelerator"].encode()}
    assert {int(said[RAM]) for said in found.values()} == {16 * 10**9}


def test_nothing_is_asked_for_that_nobody_names():
    assert not [name for name, said in environments({}).items() if HINT in said or RAM in said]


def test_a_device_gets_more_parts_at_once():
    """What a part leaves of a batch is filled by the next."""
    asked = [
        PartHandler(settings(device), (), FOLDERS).batch_elements_kwargs()
        for device in ("cpu", "cuda")
    ]
    assert [(said["min_batch_size"], said["max_batch_size"]) for said in asked] == [
        (CPU_PARTS,) * 2,
        (DEVICE_PARTS,) * 2,
    ]
