"""Which Beam runner, and with which options.

`DirectRunner` is Beam's own switch: it picks an engine by the pipeline's content, and one of the three lost data in a
trial. Here it always means FnApiRunner, in as many worker processes as there are cores.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, StandardOptions, WorkerOptions
from apache_beam.portability.api import beam_provision_api_pb2
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.runners.portability.fn_api_runner.fn_runner import ExtendedProvisionInfo
from apache_beam.runners.portability.portable_runner import JobServiceHandle

from filters.registry import nearest
from pipeline.config import ConfigError

LayOut = Callable[[beam.Pipeline], None]


class JobFailed(RuntimeError):
    """A Beam job that did not finish; the message holds the worker's own error."""


@dataclass(frozen=True)
class Engine:
    """Runs jobs; `arguments` are Beam's own options as given on the command line."""

    arguments: tuple[str, ...]

    def run(self, lay_out: LayOut, name: str) -> None:
        """Run one job to its end. Raises JobFailed."""
        options = PipelineOptions([*self.arguments, f"--job_name={name}"])
        standard = options.view_as(StandardOptions)
        runner: object = standard.runner or "DirectRunner"
        if runner == "DirectRunner":
            _use_all_cores(options.view_as(DirectOptions), self.arguments)
            runner = FnApiRunner(provision_info=_provision(options))
        try:
            with beam.Pipeline(runner=runner, options=options) as pipeline:
                lay_out(pipeline)
        except (RuntimeError, OSError, ValueError, KeyError, TypeError) as error:
            raise JobFailed(f"{name}: {_last_line(error)}") from error

    @property
    def workers(self) -> int:
        """How many worker processes are expected: what is divided among them beforehand is divided by this."""
        options = PipelineOptions(list(self.arguments))
        if (options.view_as(StandardOptions).runner or "DirectRunner") == "DirectRunner":
            direct = options.view_as(DirectOptions)
            _use_all_cores(direct, self.arguments)
            return int(direct.direct_num_workers)
        worker = options.view_as(WorkerOptions)
        given = options.get_all_options()
        return int(worker.max_num_workers or worker.num_workers or max(1, given.get("parallelism") or 1))


def _use_all_cores(direct: DirectOptions, arguments: Sequence[str]) -> None:
    given = {argument.partition("=")[0] for argument in arguments}
    if "--direct_num_workers" not in given:
        direct.direct_num_workers = os.cpu_count() or 1
    if "--direct_running_mode" not in given and direct.direct_num_workers > 1:
        direct.direct_running_mode = "multi_processing"


def _provision(options: PipelineOptions) -> ExtendedProvisionInfo:
    """What workers are told of the options; only Beam's own switch does so by itself."""
    worker = options.view_as(WorkerOptions)
    worker.default_sdk_harness_log_level = worker.default_sdk_harness_log_level or "WARNING"
    worker.sdk_harness_log_level_overrides = {"apache_beam": "ERROR", "__main__": "ERROR", **(worker.sdk_harness_log_level_overrides or {})}
    encoded = JobServiceHandle.encode_pipeline_options(options.get_all_options())
    return ExtendedProvisionInfo(beam_provision_api_pb2.ProvisionInfo(pipeline_options=encoded))


def _last_line(error: BaseException) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    last = lines[-1].strip() if lines else ""
    return last.removeprefix("RuntimeError: ") if isinstance(error, RuntimeError) else f"{type(error).__name__}: {last}"


def make_engine(arguments: Sequence[str], own_options: Sequence[str] = ()) -> Engine:
    """An engine for Beam's own options. Raises ConfigError for one that Beam does not know, naming the nearest."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, conflict_handler="resolve")
    for kind in _subclasses(PipelineOptions):
        if "_add_argparse_args" in vars(kind):
            kind._add_argparse_args(parser)
    _, unknown = parser.parse_known_args(list(arguments))
    if unknown:
        known = [*own_options, *(option for action in parser._actions for option in action.option_strings)]
        raise ConfigError(f"unknown option {unknown[0]}; {nearest(unknown[0].partition('=')[0], known)}")
    return Engine(tuple(arguments))


def _subclasses(kind: Any) -> list[Any]:
    return [found for child in kind.__subclasses__() for found in (child, *_subclasses(child))]
