"""Which Beam runner, and with which options.

`DirectRunner` is Beam's own switch: it picks an engine by the pipeline's content, and one of the
three lost data in a trial. Here it always means FnApiRunner, in as many worker processes as there
are cores.

Beam takes two seconds to import. It is imported when a job runs, or when an option is given that is
not among LOCAL_OPTIONS: a run with nothing to do does without it.
"""

from __future__ import annotations

import argparse
import os
import re
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from filters.registry import nearest
from pipeline.orchestrate.config_file import ConfigError
from pipeline.orchestrate.watchdog import WorkersLost, watched
from pipeline.orchestrate.worker_error import worker_error

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.runners.portability.fn_api_runner.fn_runner import ExtendedProvisionInfo

LayOut = Callable[[Any], None]
"""Lays a job's steps out on a Beam pipeline."""

NAMESPACE = "pairsieve"
LONGEST_NAME, CONNECT_S, PATIENCE_S = 63, 10, 3600.0
ONE_PROCESS = "no_use_multiple_sdk_containers"  # Dataflow's name for it
PROCESSES = "--direct_num_workers"
WORTH_A_PROCESS_S = 5.0  # measured: a second process that scores is there after 4 s
IN_MEMORY = "in_memory"  # Beam's default: its runner then keeps the environment that it is given
LOCAL_RUNNERS = ("DirectRunner", "PrismRunner")
LOCAL_OPTIONS = ("--runner", PROCESSES)
SUBMITTING_OPTIONS = ("--template_location", "--dry_run")


class JobFailed(RuntimeError):
    """A Beam job that did not finish; the message holds the worker's own error."""


class Interrupted(KeyboardInterrupt):
    """Somebody stopped waiting; the message says what goes on running, and how to end that."""


@dataclass(frozen=True)
class Engine:
    """Runs jobs; `arguments` are Beam's own options as given on the command line. A job from which
    nothing is heard for `patience_s` has failed (0: never).
    """

    arguments: tuple[str, ...]
    patience_s: float = PATIENCE_S

    def run(
        self, lay_out: LayOut, name: str, quiet_s: Callable[[], float] = lambda: 0.0
    ) -> dict[str, int]:
        """Run one job, named `run/stage`, to its end; its counters. `quiet_s`: for how long nothing
        was heard of it.

        Raises JobFailed, Interrupted.
        """
        import apache_beam as beam

        options = self._options(name)
        result: Any = None
        with _failing_as(name):
            pipeline = beam.Pipeline(runner=self._runner(options), options=options)
        lay_out(pipeline)
        with _failing_as(name):
            try:
                with watched(quiet_s, self.patience_s):
                    result = pipeline.run()
                    if not self.only_submits:
                        result.wait_until_finish()
                return {} if self.only_submits else _counters(result)
            except WorkersLost:
                _cancel(result)
                raise
            except KeyboardInterrupt:
                raise Interrupted(self._goes_on(result, options)) from None

    @property
    def on_accelerators(self) -> Engine:
        """The same with one process a worker, since several would share its accelerator and hold a
        model each (docs/operations.md).
        """
        one_process = (
            (f"--experiments={ONE_PROCESS}",) if self.runner_name == "DataflowRunner" else ()
        )
        return replace(self, arguments=(*self.arguments, *one_process))

    def for_work(self, core_s: float) -> Engine:
        """The same with as many local processes as so many seconds of one core are worth.

        A process has to import what it uses: torch alone takes some seconds. Where the command line
        says how many there are, or another runner does the work, nothing changes.
        """
        is_told = any(argument.startswith(PROCESSES) for argument in self.arguments)
        if is_told or self.runner_name != "DirectRunner":
            return self
        processes = max(1, min(self.workers, int(core_s / WORTH_A_PROCESS_S)))
        return replace(self, arguments=(*self.arguments, f"{PROCESSES}={processes}"))

    @property
    def only_submits(self) -> bool:
        """Whether jobs are written down, not run: a Dataflow template, or a dry run."""
        if not any(option_of(self.arguments, name) for name in SUBMITTING_OPTIONS):
            return False
        from apache_beam.options.pipeline_options import GoogleCloudOptions, TestOptions

        options = _beam_options(self.arguments)
        template = options.view_as(GoogleCloudOptions).template_location
        return bool(template or options.view_as(TestOptions).dry_run)

    @property
    def runner_name(self) -> str:
        """The runner, as it was named."""
        return option_of(self.arguments, "--runner") or "DirectRunner"

    def _options(self, name: str) -> PipelineOptions:
        """Options for one job; its name begins with --job_name where that is given."""
        from apache_beam.options.pipeline_options import GoogleCloudOptions

        run, _, stage = name.rpartition("/")
        options = _beam_options(self.arguments)
        cloud = options.view_as(GoogleCloudOptions)
        cloud.job_name = job_name(cloud.job_name or run, stage)
        if self.runner_name == "DataflowRunner":
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
        if self.workers == 1 or direct.direct_running_mode != IN_MEMORY:
            return FnApiRunner(provision_info=provision)
        from pipeline.orchestrate.local_workers import ForkedEnvironment

        return FnApiRunner(
            default_environment=ForkedEnvironment.default(), provision_info=provision
        )

    def _goes_on(self, result: Any, options: PipelineOptions) -> str:
        """What goes on running of a job that nobody waits for any more."""
        from apache_beam.options.pipeline_options import GoogleCloudOptions, PortableOptions

        name, portable = (
            options.view_as(GoogleCloudOptions).job_name,
            options.view_as(PortableOptions),
        )
        if (
            result is None
            or self.runner_name in LOCAL_RUNNERS
            or portable.environment_type == "LOOPBACK"
        ):
            _cancel(result)
            return "nothing goes on running"
        given = options.get_all_options()
        if self.runner_name == "DataflowRunner":
            stop = (
                f"gcloud dataflow jobs cancel {result.job_id()} --project={given['project']} "
                f"--region={given['region']}"
            )
        else:
            where = (
                given.get("flink_master")
                if self.runner_name == "FlinkRunner"
                else portable.job_endpoint
            )
            stop = (
                f"cancel it where it runs ({where}; on Flink: `flink list`, then `flink cancel ID`)"
            )
        return (
            f"the job {name} goes on running; to stop it: {stop}. Start the next run when it has "
            "ended"
        )

    @property
    def workers(self) -> int:
        """How many worker processes are expected.

        What is divided among them beforehand is divided by this.
        """
        if self.runner_name == "DirectRunner":
            processes = int(option_of(self.arguments, PROCESSES) or 0)
            return processes or os.cpu_count() or 1
        from apache_beam.options.pipeline_options import WorkerOptions

        options = _beam_options(self.arguments)
        worker = options.view_as(WorkerOptions)
        parallelism = options.get_all_options().get("parallelism") or 1
        return int(worker.max_num_workers or worker.num_workers or max(1, parallelism))


def option_of(arguments: Sequence[str], name: str) -> str:
    """The value of an option among Beam's, the last one where it is given again; else empty.

    An option without a value counts as "true".
    """
    value = ""
    for number, argument in enumerate(arguments):
        if argument.startswith(f"{name}="):
            value = argument.removeprefix(f"{name}=")
        elif argument == name:
            following = arguments[number + 1 : number + 2]
            is_flag = not following or following[0].startswith("-")
            value = "true" if is_flag else following[0]
    return value


def _beam_options(arguments: Sequence[str]) -> PipelineOptions:
    from apache_beam.options.pipeline_options import PipelineOptions

    return PipelineOptions(list(arguments))


def _provision(options: PipelineOptions) -> ExtendedProvisionInfo:
    """What workers are told of the options; only Beam's own switch does so by itself."""
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


def job_name(begins: str, stage: str) -> str:
    """A name that every runner takes: small letters, digits and dashes, as Dataflow wants them,
    from ours to the stage's.
    """
    words = re.sub(r"[^a-z0-9]+", "-", begins.lower()).strip("-")
    words = words if words.startswith("pairsieve") else f"pairsieve-{words}".strip("-")
    return f"{words[: LONGEST_NAME - 1 - len(stage)].strip('-')}-{stage}"


def label(text: str) -> str:
    """A value that a Google Cloud label takes."""
    return re.sub(r"[^a-z0-9_-]+", "-", text.lower())[:LONGEST_NAME]


@contextmanager
def _failing_as(name: str) -> Iterator[None]:
    """Turn what runners raise into JobFailed.

    Runners raise a RuntimeError for a worker's error, a ValueError for options that do not go
    together. A TypeError or a KeyError is a bug in the command, and keeps its traceback.
    """
    try:
        yield
    except (RuntimeError, OSError, ValueError, ImportError) as error:
        _, _, stage = name.rpartition("/")
        raise JobFailed(f"{stage}: {worker_error(error)}") from error


def _counters(result: Any) -> dict[str, int]:
    """Our counters, summed over steps; a runner may say none that are final."""
    from apache_beam.metrics import MetricsFilter

    total: dict[str, int] = {}
    for counter in result.metrics().query(MetricsFilter().with_namespace(NAMESPACE))["counters"]:
        total[counter.key.metric.name] = total.get(counter.key.metric.name, 0) + (
            counter.committed or 0
        )
    return dict(sorted(total.items()))


def _cancel(result: Any) -> None:
    if result is not None:
        result.cancel()


def make_engine(
    arguments: Sequence[str], own_options: Sequence[str] = (), patience_s: float = PATIENCE_S
) -> Engine:
    """An engine for Beam's own options.

    Raises ConfigError for an option that Beam does not know, naming the nearest one, and for a job
    server or a cluster that does not answer.
    """
    if not _are_local(arguments):
        _check_known(arguments, own_options)
        _check_answers(_beam_options(arguments))
    return Engine(tuple(arguments), patience_s)


def _are_local(arguments: Sequence[str]) -> bool:
    """Whether the options only say in how many processes of this machine jobs run."""
    names = {argument.partition("=")[0] for argument in arguments if argument.startswith("-")}
    processes = option_of(arguments, PROCESSES)
    is_direct = option_of(arguments, "--runner") in ("", "DirectRunner")
    written_together = all("=" in argument for argument in arguments)
    is_number = not processes or processes.isdecimal()
    return is_direct and written_together and is_number and names <= set(LOCAL_OPTIONS)


def _check_known(arguments: Sequence[str], own_options: Sequence[str]) -> None:
    """Raise ConfigError for an option that no runner knows."""
    from apache_beam.options.pipeline_options import PipelineOptions

    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, conflict_handler="resolve")
    for kind in _subclasses(PipelineOptions):
        if "_add_argparse_args" in vars(kind):
            kind._add_argparse_args(parser)
    _, unknown = parser.parse_known_args(list(arguments))
    if not unknown:
        return
    known = list(own_options)
    for action in parser._actions:
        known += action.option_strings
    name = unknown[0].partition("=")[0]
    raise ConfigError(f"unknown option {unknown[0]}; {nearest(name, known)}")


def _check_answers(options: PipelineOptions) -> None:
    """Raise ConfigError where nobody listens that jobs are sent to; Beam would wait for minutes."""
    from apache_beam.options.pipeline_options import PortableOptions

    master = options.get_all_options().get("flink_master") or ""
    for option, address in (
        ("--job_endpoint", options.view_as(PortableOptions).job_endpoint or ""),
        ("--flink_master", master),
    ):
        if address.startswith("["):  # [local], [auto]: one that the runner starts
            continue
        place = urlsplit(address if "//" in address else f"//{address}")
        if ":" in place.netloc and place.hostname and place.port:
            try:
                socket.create_connection((place.hostname, place.port), timeout=CONNECT_S).close()
            except OSError as error:
                raise ConfigError(
                    f"nothing answers at {address} ({type(error).__name__}); check {option}"
                ) from None


def _subclasses(kind: Any) -> list[Any]:
    return [found for child in kind.__subclasses__() for found in (child, *_subclasses(child))]
