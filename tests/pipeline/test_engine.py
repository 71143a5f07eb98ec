from __future__ import annotations

import logging
import os
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from math import inf

import apache_beam as beam
import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairsieve.attempt import attempt
from pipeline.orchestrate import local_workers
from pipeline.orchestrate.config_file import ConfigError
from pipeline.orchestrate.engine import Engine, JobFailed, make_engine
from pipeline.orchestrate.job_names import job_name, label
from pipeline.orchestrate.local_workers import run_worker
from pipeline.orchestrate.watchdog import JOB_SERVER_READER, WorkersLost, watched
from pipeline.orchestrate.worker_error import explained, last_line, worker_error
from tests.support.cluster import free_port
from transforms.plumbing.counting import counting


@pytest.mark.parametrize(
    ("run", "stage", "name"),
    [
        ("pairsieve demo", "fetch", "pairsieve-demo-fetch"),
        ("LAION-5B (2022)!", "extract", "pairsieve-laion-5b-2022-extract"),
        ("", "score", "pairsieve-score"),
        ("5", "publish", "pairsieve-5-publish"),
        ("x" * 100, "publish", f"pairsieve-{'x' * 45}-publish"),
    ],
)
def test_job_names(run, stage, name):
    assert job_name(run, stage) == name


@given(run=st.text(max_size=200), stage=st.sampled_from(["extract", "fetch", "score", "publish"]))
def test_every_runner_takes_every_name_and_label(run, stage):
    assert re.fullmatch(r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?", job_name(run, stage))
    assert re.fullmatch(r"[a-z0-9_-]{0,63}", label(run))


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("ModuleNotFoundError: No module named 'transforms'", "--setup_file=./setup.py"),
        (
            "bundle inst002 failed:SDK worker disconnected: worker[x]",
            "a worker is gone: it was killed, or its machine had no memory left",
        ),
        (
            "java.util.concurrent.TimeoutException: Waited 3 minutes for SettableFuture@6[...]",
            "send it with --setup_file=./setup.py",
        ),
        (
            "prism worker[job-003] didn't get control connection to localhost:33711 after 1m0s",
            "use an image that has it",
        ),
        (
            "io.grpc.StatusRuntimeException: CANCELLED: client cancelled",
            "restart-strategy.type: fixed-delay",
        ),
        (
            "java.util.concurrent.TimeoutException: TaskManager with id tm2 is no longer reachable.",
            "a task manager is gone",
        ),
        ("java.util.concurrent.TimeoutException: Timeout has occurred", "lower --parallelism"),
        (
            "StatusCode.UNAVAILABLE: failed to connect to all addresses; last error: UNKNOWN",
            "the job server does not answer any more",
        ),
        (
            "org.apache.flink.runtime.client.JobCancellationException: Job was cancelled.",
            "somebody cancelled the job on the cluster",
        ),
        (
            "OSError: [Errno 28] No space left on device",
            "OSError: [Errno 28] No space left on device",
        ),
    ],
)
def test_what_workers_say_comes_with_what_to_do(said, wanted):
    assert wanted in explained(said)


TRACEBACK = """Pipeline job-001 failed in state FAILED: bundle inst001 stage-001 failed:Traceback (most recent call last):
  File "sdk_worker.py", line 1, in _execute
    response = task()
ModuleNotFoundError: No module named 'transforms'
"""
MISSING = "ModuleNotFoundError: No module named 'transforms' (in _execute at sdk_worker.py:1)"


@pytest.mark.parametrize(
    ("text", "last"),
    [
        (TRACEBACK, MISSING),
        (
            (
                f"{TRACEBACK}\nThe above exception was the direct cause of the following "
                "exception:\n\nRuntimeError: Error processing instruction x. "
                "Check prior failing response and attached exception for details."
            ),
            MISSING,
        ),
        (
            f"{TRACEBACK}\n and more that no traceback has",
            MISSING,
        ),
        ("RuntimeError: the disk is full", "the disk is full"),
        (
            "Pipeline job-002 failed in state FAILED: SDK worker disconnected",
            "Pipeline job-002 failed in state FAILED: SDK worker disconnected",
        ),
        ("", ""),
    ],
)
def test_a_workers_own_error_comes_first(text, last):
    assert last_line(RuntimeError(text)) == last


def break_on_part(name):
    """A programmer's error; its argument is no string, which Beam words in another way."""
    return {}[name, 1]


def make_breaking():
    return break_on_part


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failed_worker_is_named_with_step_part_file_and_line(workers):
    def lay_out(pipeline):
        names = pipeline | beam.Create(["part-00003-0001"])
        _ = names | "Write pairs" >> counting(make_breaking)

    with pytest.raises(JobFailed) as failed:
        Engine((f"--direct_num_workers={workers}",)).run(lay_out, "run/extract")
    line = break_on_part.__code__.co_firstlineno + 2
    assert str(failed.value) == (
        "extract: Write pairs: KeyError: ('part-00003-0001', 1) "
        f"(in break_on_part at {__file__}:{line}, working on part-00003-0001)"
    )


def break_in_loading():
    raise TypeError("a bug of loading")


def break_in_a_sum(numbers):
    raise TypeError("a bug of a sum")


class BreaksWithTheBundle(beam.DoFn):
    def process(self, element):
        yield element

    def finish_bundle(self):
        raise LookupError("a bug at the end")


OUTSIDE_OF_ELEMENTS = [
    (counting(break_in_loading), "TypeError: a bug of loading", break_in_loading, 1),
    (beam.Map(break_in_a_sum), "TypeError: a bug of a sum", break_in_a_sum, 1),
    (
        beam.ParDo(BreaksWithTheBundle()),
        "LookupError: a bug at the end",
        BreaksWithTheBundle.finish_bundle,
        1,
    ),
]


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(("step", "said", "function", "line"), OUTSIDE_OF_ELEMENTS)
def test_an_error_outside_of_the_work_on_an_element(step, said, function, line, workers):
    """Loading, sums and the ends of bundles; a worker in this process is no bug of the command."""

    def lay_out(pipeline):
        _ = pipeline | beam.Create(["part-00003-0001"]) | "Write pairs" >> step

    with pytest.raises(JobFailed) as failed:
        Engine((f"--direct_num_workers={workers}",)).run(lay_out, "run/extract")
    line += function.__code__.co_firstlineno
    place = f"(in {function.__name__} at {__file__}:{line})"
    assert str(failed.value) == f"extract: Write pairs: {said} {place}"


def run_late_worker(environment):
    """Connects when the other worker has failed already."""
    time.sleep(3)
    run_worker(environment)


@pytest.mark.parametrize("late", [0, 1])
def test_a_worker_that_connects_after_the_job_has_failed_ends(late, monkeypatch):
    """Whoever waits for it waits for ever otherwise. One of the two has nothing to do."""
    start_worker, started = local_workers.ForkedWorkerHandler.start_worker, []

    def start(handler):
        is_late = len(started) == late
        started.append(handler)
        target = run_late_worker if is_late else run_worker
        monkeypatch.setattr(local_workers, "run_worker", target)
        start_worker(handler)

    monkeypatch.setattr(local_workers.ForkedWorkerHandler, "start_worker", start)

    def lay_out(pipeline):
        names = pipeline | beam.Create(["part-00003-0001"])
        _ = names | "Write pairs" >> counting(make_breaking)

    with pytest.raises(JobFailed, match="part-00003-0001"):
        Engine(("--direct_num_workers=2",)).run(lay_out, "run/extract")


def fail_on_row(row):
    raise OverflowError("what a row holds")


def quarantine_rows(name):
    for row in range(3):
        attempt(fail_on_row, row)
    logging.getLogger("a library").warning("what a row holds")
    return []


def make_quarantine():
    return quarantine_rows


def test_the_log_of_a_worker_process_names_the_place_once(caplog):
    """What a library logs may hold what a row holds, and is not shown."""

    def lay_out(pipeline):
        _ = pipeline | beam.Create(["part-00003-0001"]) | counting(make_quarantine)

    Engine(("--direct_num_workers=2",)).run(lay_out, "run/extract")
    line = fail_on_row.__code__.co_firstlineno + 1
    # Beam's own advice for its runner never reaches the user (pipeline/monitoring/logs.py).
    records = [each for each in caplog.records if not each.name.startswith("apache_beam")]
    shown = [record.getMessage() for record in records]
    assert shown == [f"OverflowError at {__file__}:{line} in fail_on_row; the row is quarantined"]


@pytest.fixture
def empty_job_server():
    """gRPC's own server, which knows no method."""
    server = grpc.server(ThreadPoolExecutor(1))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield port
    server.stop(None)


@pytest.mark.parametrize(
    ("is_there", "said"),
    [
        (
            False,
            r"extract: the job server does not answer any more.+\(UNAVAILABLE: failed to connect",
        ),
        (True, "extract: UNIMPLEMENTED: Method not found!"),
    ],
)
def test_an_error_of_a_job_server_is_no_bug_of_ours(is_there, said, empty_job_server, monkeypatch):
    """Errors are gRPC's own: of a port where nothing listens, and of a server that refuses."""
    port = empty_job_server if is_there else free_port()

    def run(pipeline):
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            channel.unary_unary("/jobs/Run")(b"", timeout=30)

    monkeypatch.setattr(beam.Pipeline, "run", run)
    with pytest.raises(JobFailed, match=said):
        Engine(("--direct_num_workers=1",)).run(lambda pipeline: None, "run/extract")


@pytest.mark.parametrize(("given", "kept_ms"), [([], 3000), (["--environment_cache_millis=0"], 0)])
def test_workers_are_kept_between_steps_unless_the_user_says_otherwise(given, kept_ms):
    engine = Engine(("--runner=PortableRunner", *given))
    options = engine._options("demo/fetch").get_all_options()
    assert int(options["environment_cache_millis"]) == kept_ms


@pytest.mark.parametrize("runner", ["PortableRunner", "FlinkRunner"])
def test_options_that_the_job_server_knows(runner):
    given = [f"--runner={runner}", "--number_of_execution_retries=3"]
    assert make_engine(given).arguments == tuple(given)
    with pytest.raises(ConfigError, match="did you mean '--number_of_execution_retries'"):
        make_engine([f"--runner={runner}", "--number_of_execution_retrys=3"])
    with pytest.raises(ConfigError, match="unknown option"):
        make_engine(["--runner=DataflowRunner", "--number_of_execution_retries=3"])


# What Beam's job server says of a job that a job manager, started anew, does not know.
FORGOTTEN = """Pipeline demo failed in state FAILED: org.apache.flink.runtime.rest.util.RestClientException: [org.apache.flink.runtime.rest.handler.RestHandlerException: org.apache.flink.runtime.messages.FlinkJobNotFoundException: Could not find Flink job (1730)
\tat org.apache.flink.runtime.rest.handler.job.JobExecutionResultHandler.propagateException(JobExecutionResultHandler.java:131)
Caused by: java.util.concurrent.CompletionException: org.apache.flink.runtime.messages.FlinkJobNotFoundException: Could not find Flink job (1730)
\t... 5 more
Caused by: org.apache.flink.runtime.messages.FlinkJobNotFoundException: Could not find Flink job (1730)
\t... 5 more
]"""


def test_an_error_of_the_engine_is_named_where_no_worker_failed():
    said = worker_error(RuntimeError(FORGOTTEN))
    assert said.startswith("the job manager was started anew, and its jobs are gone")
    assert said.endswith("FlinkJobNotFoundException: Could not find Flink job (1730))")


def test_a_bug_in_the_command_keeps_its_traceback():
    def lay_out(pipeline):
        raise TypeError("a bug of ours")

    with pytest.raises(TypeError, match="a bug of ours"):
        Engine(("--direct_num_workers=1",)).run(lay_out, "run/extract")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            (
                "x.WorkFailed: OSError: full (in f at g.py:3, working on part-00001-0000) "
                "[while running 'Fetch images/Fetch lanes/Each-ptransform-42']"
            ),
            "Fetch images/Fetch lanes: OSError: full (in f at g.py:3, working on part-00001-0000)",
        ),
        (
            "RuntimeError: the disk is full [while running 'Score parts/Score/BeamML_RunInference']",
            "Score parts/Score/BeamML_RunInference: the disk is full",
        ),
    ],
)
def test_the_step_comes_first(text, line):
    assert worker_error(RuntimeError(text)) == line


class Gone:
    """A job that somebody stopped waiting for."""

    def __init__(self):
        self.cancelled = False

    def cancel(self):
        self.cancelled = True

    def job_id(self):
        return "2026-11-26_42"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--runner=DataflowRunner", "--project=p", "--region=r"],
            "gcloud dataflow jobs cancel 2026-11-26_42 --project=p --region=r",
        ),
        (
            ["--runner=FlinkRunner", "--flink_master=jm:8081"],
            "cancel it where it runs (jm:8081; on Flink",
        ),
        (
            ["--runner=PortableRunner", "--job_endpoint=js:8099", "--environment_type=EXTERNAL"],
            "cancel it where it runs (js:8099",
        ),
    ],
)
def test_what_goes_on_elsewhere_is_left_and_named(arguments, said):
    job, engine = Gone(), Engine(tuple(arguments))
    told = engine._goes_on(job, engine._options("demo/fetch"))
    assert "the job pairsieve-demo-fetch goes on running" in told
    assert said in told
    assert not job.cancelled


class Refusing(Gone):
    """A job whose cluster does not take the order to stop."""

    def __init__(self, error):
        super().__init__()
        self._error = error

    def cancel(self):
        super().cancel()
        raise self._error


@pytest.mark.parametrize(
    "error",
    [
        grpc.RpcError("the job server is gone"),
        RuntimeError("Request to http://jm:8081/v1/5/stop failed with status 404"),
        ConnectionError("nothing listens on jm:8081"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_silent_job_is_named_whether_or_not_it_can_be_stopped(error):
    job, engine = Refusing(error), Engine(("--runner=FlinkRunner", "--flink_master=jm:8081"))
    options = engine._options("demo/fetch")
    # Beam's FlinkRunner does so, where it sends the job in a jar.
    options._all_options["flink_master"] = "[auto]"
    told = engine._after_cancel(job, options)
    assert job.cancelled
    assert "The job pairsieve-demo-fetch was told to stop" in told
    assert "cancel it where it runs (jm:8081; on Flink" in told
    assert "does not see the job server's folder of artifacts" in told


def test_what_works_in_this_process_ends_with_it():
    job, engine = (
        Gone(),
        Engine(
            ("--runner=PortableRunner", "--job_endpoint=js:8099", "--environment_type=LOOPBACK")
        ),
    )
    assert engine._goes_on(job, engine._options("demo/fetch")) == "nothing goes on running"
    assert job.cancelled


@pytest.mark.parametrize(
    ("arguments", "only"),
    [([], False), (["--template_location=gs://b/x"], True), (["--dry_run=true"], True)],
)
def test_what_only_writes_jobs_down(arguments, only):
    assert Engine(tuple(arguments)).only_submits is only


@pytest.mark.parametrize(
    ("core_s", "processes"), [(0.0, 1), (12.0, min(2, os.cpu_count() or 1)), (inf, os.cpu_count())]
)
def test_local_processes_for_the_work(core_s, processes):
    """Work that waits for the network is infinite: it gets a process for each core."""
    assert Engine(()).for_work(core_s).workers == processes
    assert Engine(("--direct_num_workers=7",)).for_work(core_s).workers == 7


def test_silence_ends_the_wait():
    began = time.monotonic()
    with (
        pytest.raises(WorkersLost, match=r"nothing was finished or counted for 0\.01 minutes"),
        watched(lambda: time.monotonic() - began, 0.6),
    ):
        time.sleep(3600)  # the test's own timeout ends it where nothing else does


def test_a_dead_worker_ends_the_wait_and_other_threads_die_as_before(monkeypatch):
    died = []
    monkeypatch.setattr(threading, "excepthook", lambda args: died.append(args.exc_type))

    def die():
        raise RuntimeError("Worker subprocess exited with return code -9")

    def wait():
        with watched(lambda: 0.0, 0):
            other = threading.Thread(target=die, name="somebody-else")
            other.start()
            other.join()
            threading.Thread(target=die, name="run_worker").start()
            time.sleep(3600)

    with pytest.raises(WorkersLost, match="a worker process died"):
        wait()
    assert died == [RuntimeError], "the other thread's"


def test_who_presses_a_key_is_no_lost_worker():
    with pytest.raises(KeyboardInterrupt), watched(lambda: 0.0, 0):
        raise KeyboardInterrupt


def test_nothing_is_woken_beside_the_main_thread():
    def wait():
        with watched(lambda: 1e9, 0.1):
            time.sleep(1.5)
            ended.append(True)

    ended: list[bool] = []
    other = threading.Thread(target=wait)
    other.start()
    other.join()
    assert ended == [True]


def test_a_lost_job_server_is_reported_once(monkeypatch):
    """Beam's thread that reads from it dies of the same error, and may be the slower one."""
    reported: list = []
    monkeypatch.setattr(threading, "excepthook", reported.append)

    class Lost(grpc.RpcError):
        pass

    def read() -> None:
        time.sleep(0.3)
        raise Lost

    reader = threading.Thread(target=read, name=JOB_SERVER_READER, daemon=True)

    def lose() -> None:
        with watched(lambda: 0.0, 0):
            reader.start()
            raise Lost

    with pytest.raises(Lost):
        lose()
    reader.join()
    assert reported == []
