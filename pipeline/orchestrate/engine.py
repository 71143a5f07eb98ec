"""Runs jobs on a Beam runner, with the Beam options of the command line.

Beam's own `DirectRunner` picks one of three engines by the content of the pipeline, and one of them
lost data in a trial. Here it always means FnApiRunner, in as many worker processes as there are
cores.

Beam takes two seconds to import. It is imported when a job runs, so a run with nothing to do does
not import it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from pairsieve.collector import collector_paused
from pipeline.monitoring.metrics import BeamCounters
from pipeline.orchestrate.beam_options import (
    LOCAL_RUNNERS,
    PROCESSES,
    SERVED_RUNNERS,
    beam_options,
    check_options,
    option_of,
)
from pipeline.orchestrate.fork_server import start_fork_server
from pipeline.orchestrate.job_names import job_name, label
from pipeline.orchestrate.watchdog import WorkersLost, watched
from pipeline.orchestrate.worker_error import NO_ARTIFACTS, names_step, worker_error
from transforms.plumbing.working_on import WorkFailed

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.runners.portability.fn_api_runner.fn_runner import ExtendedProvisionInfo

LayOut = Callable[[Any], None]
"""Lays a job's steps out on a Beam pipeline."""

NAMESPACE = "pairsieve"

# How long to wait for any sign of a running job.
PATIENCE_S = 3600.0

# How long a cluster keeps an idle worker (--environment_cache_millis). Without it Flink starts all
# of them anew after each shuffle, which takes 20 s where they install pairsieve first. It must be
# shorter than the delay of a restart (5 s, containers/flink/config.yaml): else Flink goes on asking
# a worker that was killed until no attempt is left.
KEEP_WORKERS_MS = 3_000

# Dataflow's name for "one worker process a machine".
ONE_PROCESS = "no_use_multiple_sdk_containers"

# Seconds of work of one core that are worth another process. Measured: a second process that scores
# starts to work after 4 s.
WORTH_A_PROCESS_S = 5.0

# Beam's default running mode, the only one in which its runner uses an environment of ours.
IN_MEMORY = "in_memory"
NOTHING_GOES_ON = "nothing goes on running"
SUBMITTING_OPTIONS = ("--template_location", "--dry_run")


class JobFailed(RuntimeError):
    """A Beam job did not finish; the message holds the worker's own error."""


class Interrupted(KeyboardInterrupt):
    """The user stopped waiting; the message says what goes on running, and how to stop it."""


@dataclass(frozen=True)
class Engine:
    """Runs jobs.

    `arguments` are Beam's own options, as given on the command line. A job without any progress for
    `patience_s` has failed (0: never).
    """

    arguments: tuple[str, ...]
    patience_s: float = PATIENCE_S

    def run(
        self, lay_out: LayOut, name: str, quiet_s: Callable[[], float] = lambda: 0.0
    ) -> BeamCounters:
        """Run one job to its end, and return its counters.

        `name` is `run/stage`. `quiet_s` returns the seconds since the last progress. Raises
        JobFailed and Interrupted.
        """
        import apache_beam as beam

        options = self._options(name)
        with _FailingAs(name):
            pipeline = beam.Pipeline(runner=self._runner(options), options=options)
        # Outside of _FailingAs: an error here is a bug in the command, and keeps its traceback.
        lay_out(pipeline)
        result: Any = None
        with _FailingAs(name):
            try:
                with watched(quiet_s, self.patience_s):
                    result = pipeline.run()
                    if not self.only_submits:
                        result.wait_until_finish()
                # A job that is only submitted has no counters yet.
                return BeamCounters() if self.only_submits else _counters(result)
            except WorkersLost as lost:
                raise WorkersLost(f"{lost}{self._after_cancel(result, options)}") from None
            except KeyboardInterrupt:
                raise Interrupted(self._goes_on(result, options)) from None

    @property
    def is_this_process(self) -> bool:
        """Whether a job would run in this process, as the only worker."""
        return self.runner_name == "DirectRunner" and self.workers == 1

    def do_here(
        self, work: Callable[[], None], name: str, quiet_s: Callable[[], float] = lambda: 0.0
    ) -> None:
        """Do the work of one step in this process, as its only worker would in a job.

        `name` is `run/job/step`. Raises JobFailed and Interrupted, as `run` does.
        """
        job, _, step = name.rpartition("/")
        with _FailingAs(job):
            try:
                with watched(quiet_s, self.patience_s):
                    work()
            except KeyboardInterrupt:
                raise Interrupted(NOTHING_GOES_ON) from None
            except WorkFailed as failed:
                raise WorkFailed(f"{step}: {failed}") from failed

    def prepare(self) -> None:
        """Import Beam. What else takes long is started first, and goes on meanwhile."""
        if self._forks_workers:
            start_fork_server()
        with collector_paused():
            import apache_beam  # noqa: F401

    @property
    def _forks_workers(self) -> bool:
        """Whether jobs run in processes on this machine that are forked (local_workers.py)."""
        mode = option_of(self.arguments, "--direct_running_mode") or IN_MEMORY
        return self.runner_name == "DirectRunner" and self.workers > 1 and mode == IN_MEMORY

    @property
    def on_accelerators(self) -> Engine:
        """The same engine with one process a worker, where processes would share an accelerator.

        Each process would hold a model of its own (docs/operations.md).
        """
        # Dataflow starts a process for each core of a worker, unless it is told not to.
        if self.runner_name != "DataflowRunner":
            return self
        return replace(self, arguments=(*self.arguments, f"--experiments={ONE_PROCESS}"))

    def for_work(self, core_s: float) -> Engine:
        """The same engine with as many local processes as `core_s` seconds of one core are worth.

        A process has to import what it uses, and torch alone takes some seconds. Nothing changes
        when the command line gives the number of processes, or when another runner does the work.
        """
        is_given = any(argument.startswith(PROCESSES) for argument in self.arguments)
        if is_given or self.runner_name != "DirectRunner":
            return self
        # core_s may be infinite, for work that waits for the network.
        processes = max(1, int(min(self.workers, core_s / WORTH_A_PROCESS_S)))
        return replace(self, arguments=(*self.arguments, f"{PROCESSES}={processes}"))

    @property
    def only_submits(self) -> bool:
        """Whether jobs are written to a Dataflow template, or only checked, but not run."""
        if not any(option_of(self.arguments, name) for name in SUBMITTING_OPTIONS):
            return False
        from apache_beam.options.pipeline_options import GoogleCloudOptions, TestOptions

        options = beam_options(self.arguments)
        template = options.view_as(GoogleCloudOptions).template_location
        return bool(template or options.view_as(TestOptions).dry_run)

    @property
    def runner_name(self) -> str:
        """The name of the runner on the command line."""
        return option_of(self.arguments, "--runner") or "DirectRunner"

    def _options(self, name: str) -> PipelineOptions:
        """The options of one job. Its name begins with --job_name, if that is given."""
        from apache_beam.options.pipeline_options import GoogleCloudOptions, PortableOptions

        run, _, stage = name.rpartition("/")
        options = beam_options(self.arguments)
        is_given = option_of(self.arguments, "--environment_cache_millis")
        if self.runner_name in SERVED_RUNNERS and not is_given:
            options.view_as(PortableOptions).environment_cache_millis = KEEP_WORKERS_MS
        cloud = options.view_as(GoogleCloudOptions)
        cloud.job_name = job_name(cloud.job_name or run, stage)
        if self.runner_name == "DataflowRunner":
            # By these a run can be found in the console, and in the bill.
            cloud.labels = [
                *(cloud.labels or []),
                f"pairsieve-run={label(run)}",
                f"pairsieve-stage={label(stage)}",
            ]
        return options

    def _runner(self, options: PipelineOptions) -> object:
        if self.runner_name != "DirectRunner":
            return self.runner_name
        from apache_beam.options.pipeline_options import DirectOptions
        from apache_beam.runners.portability.fn_api_runner import FnApiRunner

        direct = options.view_as(DirectOptions)
        direct.direct_num_workers = self.workers
        provision = _provision(options)
        if not self._forks_workers:
            return FnApiRunner(provision_info=provision)
        from pipeline.orchestrate.local_workers import ForkedEnvironment

        return FnApiRunner(
            default_environment=ForkedEnvironment.default(), provision_info=provision
        )

    def _after_cancel(self, result: Any, options: PipelineOptions) -> str:
        """Cancel a job that is silent, and say how to make sure that it has ended."""
        from apache_beam.options.pipeline_options import GoogleCloudOptions
        from grpc import RpcError

        # A job server may be gone as well. Without one (--flink_submit_uber_jar) Beam asks Flink,
        # which may refuse.
        with suppress(RpcError, RuntimeError, OSError):
            _cancel(result)
        if result is None or self._is_local(options):
            return ""
        # Beam's job server answers at once that it cancels, and Flink may go on all the same.
        name = options.view_as(GoogleCloudOptions).job_name
        advice = (
            f". The job {name} was told to stop. See that it has, since it may hold its workers: "
            f"{self._how_to_stop(result, options)}"
        )
        if self.runner_name in SERVED_RUNNERS:
            advice += f". {NO_ARTIFACTS}"
        return advice

    def _is_local(self, options: PipelineOptions) -> bool:
        """Whether workers end with this command. LOOPBACK workers run inside it."""
        from apache_beam.options.pipeline_options import PortableOptions

        portable = options.view_as(PortableOptions)
        return self.runner_name in LOCAL_RUNNERS or portable.environment_type == "LOOPBACK"

    def _goes_on(self, result: Any, options: PipelineOptions) -> str:
        """Say what goes on running after the user stopped waiting. A local job is cancelled."""
        from apache_beam.options.pipeline_options import GoogleCloudOptions

        if result is None or self._is_local(options):
            _cancel(result)
            return NOTHING_GOES_ON
        name = options.view_as(GoogleCloudOptions).job_name
        return (
            f"the job {name} goes on running; to stop it: {self._how_to_stop(result, options)}. "
            "Start the next run when it has ended"
        )

    def _how_to_stop(self, result: Any, options: PipelineOptions) -> str:
        """How to stop a job that runs elsewhere."""
        all_options = options.get_all_options()
        if self.runner_name == "DataflowRunner":
            return (
                f"gcloud dataflow jobs cancel {result.job_id()} "
                f"--project={all_options['project']} --region={all_options['region']}"
            )
        # As it was given: FlinkRunner changes its own options.
        option = "--flink_master" if self.runner_name == "FlinkRunner" else "--job_endpoint"
        address = option_of(self.arguments, option)
        return (
            f"cancel it where it runs ({address}; on Flink: `flink list`, then `flink cancel ID`)"
        )

    @property
    def workers(self) -> int:
        """The expected number of worker processes.

        Work that is divided before the job starts is divided by this number.
        """
        if self.runner_name == "DirectRunner":
            processes = int(option_of(self.arguments, PROCESSES) or 0)
            return processes or os.cpu_count() or 1
        from apache_beam.options.pipeline_options import WorkerOptions

        options = beam_options(self.arguments)
        worker = options.view_as(WorkerOptions)
        # -1, Beam's default, leaves it to the cluster.
        parallelism = options.get_all_options().get("parallelism") or 1
        return int(worker.max_num_workers or worker.num_workers or max(1, parallelism))


def _provision(options: PipelineOptions) -> ExtendedProvisionInfo:
    """The options as workers get them. Only Beam's own DirectRunner passes them on by itself."""
    from apache_beam.options.pipeline_options import WorkerOptions
    from apache_beam.portability.api import beam_provision_api_pb2
    from apache_beam.runners.portability.fn_api_runner.fn_runner import ExtendedProvisionInfo
    from apache_beam.runners.portability.portable_runner import JobServiceHandle

    worker = options.view_as(WorkerOptions)
    worker.default_sdk_harness_log_level = worker.default_sdk_harness_log_level or "WARNING"
    worker.sdk_harness_log_level_overrides = {
        "apache_beam": "ERROR",
        "__main__": "ERROR",
        **(worker.sdk_harness_log_level_overrides or {}),
    }
    encoded = JobServiceHandle.encode_pipeline_options(options.get_all_options())
    return ExtendedProvisionInfo(beam_provision_api_pb2.ProvisionInfo(pipeline_options=encoded))


class _FailingAs:
    """A block in which what runners raise becomes JobFailed.

    Runners raise a RuntimeError for a worker's error, a ValueError for options that do not go
    together, and gRPC's error where a job server is gone. A worker in this process raises anything;
    Beam then adds the step. Any other TypeError or KeyError is a bug in the command, and keeps its
    traceback.

    A class, because `__exit__` is handed the error: no broad `except` is needed.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, Exception) and _is_of_the_job(error):
            _, _, stage = self._name.rpartition("/")
            raise JobFailed(f"{stage}: {worker_error(error)}") from error


def _is_of_the_job(error: Exception) -> bool:
    from grpc import RpcError

    raised_by_runners = (RuntimeError, OSError, ValueError, ImportError, RpcError)
    return isinstance(error, raised_by_runners) or names_step(error)


def _counters(result: Any) -> BeamCounters:
    """Our counters, summed over the steps of the job.

    They are `attempted` where the runner has no committed ones.
    """
    from apache_beam.metrics import MetricsFilter

    total: dict[str, int] = {}
    counters = result.metrics().query(MetricsFilter().with_namespace(NAMESPACE))["counters"]
    # Committed counters leave out bundles that were tried again.
    has_committed = any(counter.committed is not None for counter in counters)
    kind: Literal["committed", "attempted"] = "committed"
    if counters and not has_committed:
        kind = "attempted"
    for counter in counters:
        name = counter.key.metric.name
        number = getattr(counter, kind) or 0
        total[name] = total.get(name, 0) + number
    return BeamCounters(kind, dict(sorted(total.items())))


def _cancel(result: Any) -> None:
    if result is not None:
        result.cancel()


def make_engine(
    arguments: Sequence[str], own_options: Sequence[str] = (), patience_s: float = PATIENCE_S
) -> Engine:
    """An engine for Beam's own options.

    Raises ConfigError for an option that Beam does not know, naming the nearest one, and when a job
    server or a cluster does not answer.
    """
    check_options(arguments, own_options)
    return Engine(tuple(arguments), patience_s)
