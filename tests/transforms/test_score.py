"""What the score job asks of its workers."""

from __future__ import annotations

import apache_beam as beam
import pytest

from clip.handler import ScoreFolders
from pipeline.flow import ScoreJob, score

HINT = "beam:resources:accelerator:v1"


def hints(accelerator: str) -> list[dict[str, bytes]]:
    """The resource hints of every environment of the score job."""
    pipeline = beam.Pipeline()
    score(pipeline, ScoreJob(["part"], None, (), ScoreFolders("pairs", "images", "pictures", "samples"), accelerator))
    return [dict(environment.resource_hints) for environment in pipeline.to_runner_api().components.environments.values()]


@pytest.mark.parametrize("accelerator", ["type:nvidia-tesla-t4;count:1;install-nvidia-driver", ""])
def test_an_accelerator_is_asked_for_when_it_is_named(accelerator):
    found = {environment[HINT] for environment in hints(accelerator) if HINT in environment}
    assert found == ({accelerator.encode()} if accelerator else set())
