"""Reads Beam's own options, as they stand on the command line, and checks them before a job runs.

Beam takes two seconds to import. It is imported when an option is given that is not among
LOCAL_OPTIONS.
"""

from __future__ import annotations

import argparse
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from filters.registry import nearest
from pipeline.orchestrate.config_file import ConfigError

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions

# How long to wait for an answer of a job server or a cluster.
CONNECT_S = 10

PROCESSES = "--direct_num_workers"
LOCAL_RUNNERS = ("DirectRunner", "PrismRunner")
LOCAL_OPTIONS = ("--runner", PROCESSES)
SERVED_RUNNERS = ("PortableRunner", "FlinkRunner", "SparkRunner")
# Options of Beam's Flink job server that its Python side does not list (Beam 2.77,
# FlinkPipelineOptions).
JOB_SERVER_OPTIONS = (
    "--number_of_execution_retries",
    "--execution_retry_delay",
    "--execution_mode_for_batch",
    "--object_reuse",
    "--operator_chaining",
    "--max_bundle_size",
    "--max_bundle_time_mills",
    "--max_parallelism",
    "--parallelism",
    "--flink_conf_dir",
)


def option_of(arguments: Sequence[str], name: str) -> str:
    """The value of one of Beam's options; the last one if it is given twice, else empty.

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


def beam_options(arguments: Sequence[str]) -> PipelineOptions:
    """The options as Beam reads them."""
    from apache_beam.options.pipeline_options import PipelineOptions

    return PipelineOptions(list(arguments))


def check_options(arguments: Sequence[str], own_options: Sequence[str] = ()) -> None:
    """Check Beam's options without starting a job.

    Raises ConfigError for an option that Beam does not know, naming the nearest one, and when a job
    server or a cluster does not answer. `own_options` are ours, which are known too.
    """
    if not _are_local(arguments):
        _check_known(arguments, own_options)
        _check_answers(beam_options(arguments))


def _are_local(arguments: Sequence[str]) -> bool:
    """Whether the options only give the number of processes on this machine."""
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
        # Not an inherited one: its options would be added twice.
        if "_add_argparse_args" in vars(kind):
            kind._add_argparse_args(parser)
    # The job server has options of its own; Beam asks it for them when a job is sent.
    if option_of(arguments, "--runner") in SERVED_RUNNERS:
        for name in JOB_SERVER_OPTIONS:
            if name not in parser._option_string_actions:
                parser.add_argument(name)
    _, unknown = parser.parse_known_args(list(arguments))
    if not unknown:
        return
    known = list(own_options)
    for action in parser._actions:
        known += action.option_strings
    name = unknown[0].partition("=")[0]
    raise ConfigError(f"unknown option {unknown[0]}; {nearest(name, known)}")


def _check_answers(options: PipelineOptions) -> None:
    """Raise ConfigError when nothing listens where jobs are sent. Beam would wait for minutes."""
    from apache_beam.options.pipeline_options import PortableOptions

    _check_answer("--job_endpoint", options.view_as(PortableOptions).job_endpoint or "")
    _check_answer("--flink_master", options.get_all_options().get("flink_master") or "")


def _check_answer(option: str, address: str) -> None:
    if address.startswith("["):  # [local] or [auto]: the runner starts one itself
        return
    # Without the slashes a host is read as a path.
    try:
        url = urlsplit(address if "//" in address else f"//{address}")
        host, port = url.hostname, url.port
    except ValueError as error:
        raise ConfigError(f"{option}={address} is no address: {error}") from None
    if ":" not in url.netloc or not host or not port:
        return
    try:
        socket.create_connection((host, port), timeout=CONNECT_S).close()
    except OSError as error:
        raise ConfigError(
            f"nothing answers at {address} ({type(error).__name__}); check {option}"
        ) from None


def _subclasses(kind: Any) -> list[Any]:
    """All subclasses of a class, each before its own."""
    classes = []
    for child in kind.__subclasses__():
        classes += [child, *_subclasses(child)]
    return classes
