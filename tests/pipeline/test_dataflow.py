"""Dataflow as far as it goes without an account: a template of each stage, with everything staged,
against a real server of its storage.
"""

from __future__ import annotations

import json

import pytest
from apache_beam.portability.api import beam_runner_api_pb2

from pipeline.commands.run import main
from tests.support.demo_runs import captured

pytestmark = [pytest.mark.timeout(600), pytest.mark.filterwarnings("default")]
IMAGE, GPU = (
    "europe-docker.pkg.dev/us/images/pairsieve:0.1",
    "type:nvidia-tesla-t4;count:1;install-nvidia-driver",
)
ACCELERATOR, RAM = "beam:resources:accelerator:v1", "beam:resources:min_ram_bytes:v1"
STAGES = ("extract", "fetch", "score", "publish")


@pytest.fixture
def templates(on_gs, gcs, wheel, key_file, tmp_path, monkeypatch, quick_beam):
    """The template and the pipeline of each stage; between them the stage runs here, so that the
    next has what it needs.
    """
    pytest.importorskip(
        "google.cloud.dataflow",
        reason="google-cloud-dataflow-client is not installed (pairsieve[gcp])",
    )
    root, store = on_gs
    # nothing is read from it with --no_auth, but without one the search for it takes 20 s
    credentials = tmp_path / "account.json"
    credentials.write_text("{}")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(credentials))
    own = [
        f"--output={root}/df-out",
        f"--work={root}/df-work",
        f"--set=publish.key_file={key_file}",
    ]
    cloud = [
        "--runner=DataflowRunner", "--project=a-project", "--region=europe-west4", "--no_auth",
        f"--temp_location={root}/tmp",
        f"--staging_location={root}/staging", f"--sdk_container_image={IMAGE}", "--machine_type=n1-standard-8", "--labels=team=data",
        f"--set=score.accelerator={GPU}", "--set=score.min_ram=16GB",
    ]  # fmt: skip

    def command(*arguments):
        with captured() as printed:
            status = main([*own, *arguments])
        assert status == 0, printed.getvalue()
        return printed.getvalue()

    found = {}
    for stage in STAGES:
        package = "--setup_file=./setup.py" if stage == "extract" else f"--extra_package={wheel}"
        said = command(
            f"--stages={stage}",
            *cloud,
            package,
            f"--template_location={root}/templates/{stage}.json",
        )
        assert "once it has run" in said
        job = json.loads(store.cat(f"{root}/templates/{stage}.json"))
        staged = store.find(f"{root}/staging/{job['name']}")
        (place,) = [
            path
            for path in store.find(f"{root}/staging")
            if path.endswith("pipeline.pb") and f"-{stage}." in path
        ]
        pipeline = beam_runner_api_pb2.Pipeline.FromString(store.cat(place))
        found[stage] = (
            job,
            pipeline,
            [path.rpartition("/")[2] for path in store.find(place.rpartition("/")[0])] + staged,
        )
        command(f"--stages={stage}", "--direct_num_workers=1")
    return found


def test_templates(templates):
    for stage, (job, pipeline, staged) in templates.items():
        pool = job["environment"]["workerPools"][0]
        images = pool["sdkHarnessContainerImages"]
        assert {image["containerImage"] for image in images} == {IMAGE}
        assert job["name"] == f"pairsieve-demo-{stage}"
        assert job["labels"] == {
            "team": "data",
            "pairsieve-run": "pairsieve-demo",
            "pairsieve-stage": stage,
        }
        assert pool["machineType"] == "n1-standard-8"
        assert [name for name in staged if "workflow.tar.gz" in name or name.endswith(".whl")], (
            stage
        )
        one_process = "no_use_multiple_sdk_containers" in job["environment"]["experiments"]
        assert one_process == (stage == "score"), (
            "one process a worker, where a worker has an accelerator"
        )
        hinted = {
            name: e for name, e in pipeline.components.environments.items() if e.resource_hints
        }
        assert len(hinted) == (1 if stage == "score" else 0)
        for environment in hinted.values():
            assert environment.resource_hints[ACCELERATOR] == GPU.encode()
            assert int(environment.resource_hints[RAM]) == 16 * 10**9
    _, pipeline, _ = templates["score"]
    (gpu,) = [name for name, e in pipeline.components.environments.items() if e.resource_hints]
    steps = {
        one.unique_name: one.environment_id
        for one in pipeline.components.transforms.values()
        if one.environment_id
    }
    assert {where for name, where in steps.items() if name.startswith("Score parts/")} == {gpu}, (
        "no step that holds pictures or scores is elsewhere"
    )
