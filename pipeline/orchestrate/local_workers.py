"""Worker processes of the local runner that start at once, because they are forked.

Beam starts each worker of each job as a new interpreter. It then imports Beam and our code, which
takes some seconds: four jobs on two workers pay eight times. Here the fork server imports them once
for the whole run, and each worker is a copy of it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import redirect_stderr
from pathlib import Path
from threading import Thread
from typing import Any

import grpc
from apache_beam.portability.api import beam_fn_api_pb2, beam_fn_api_pb2_grpc, endpoints_pb2
from apache_beam.runners.portability.fn_api_runner import worker_handlers
from apache_beam.transforms.environments import Environment, python_sdk_capabilities
from apache_beam.utils import thread_pool_executor
from google.protobuf import json_format, text_format

from pipeline.monitoring.repeats import Messages
from pipeline.orchestrate.fork_server import start_fork_server
from pipeline.orchestrate.watchdog import FORKED_WORKER, LOCAL_WORKER

LOGGER = logging.getLogger(__name__)

# The folder that our packages lie in. Only what they log is shown: what a library logs may hold
# what a row holds.
OUR_FOLDER = Path(__file__).parents[2]
OUR_PACKAGES = tuple(
    f"{OUR_FOLDER / package}{os.sep}" for package in ("pairsieve", "filters", "transforms")
)

FORKED = "pairsieve:environment:forked_process:v1"


@Environment.register_urn(FORKED, bytes)
class ForkedEnvironment(Environment):  # type: ignore[misc]
    """Tells Beam's local runner to use ForkedWorkerHandler."""

    @classmethod
    def default(cls) -> ForkedEnvironment:
        return cls(capabilities=python_sdk_capabilities(), artifacts=())

    def to_runner_api_parameter(self, context: Any) -> tuple[str, bytes]:
        return FORKED, b""

    @staticmethod
    def from_runner_api_parameter(
        payload: bytes,
        capabilities: Iterable[str],
        artifacts: Iterable[Any],
        resource_hints: Mapping[str, bytes],
        context: Any,
    ) -> ForkedEnvironment:
        return ForkedEnvironment(capabilities, artifacts, resource_hints)


@worker_handlers.WorkerHandler.register_environment(FORKED, bytes)
class ForkedWorkerHandler(worker_handlers.GrpcWorkerHandler):  # type: ignore[misc]
    """Starts a worker process, and waits for its end in a thread.

    The thread raises RuntimeError when the process dies: the watchdog then ends the wait for the
    job.
    """

    def __init__(self, payload: bytes, state: Any, provision_info: Any, grpc_server: Any) -> None:
        super().__init__(state, provision_info, grpc_server)

    def start_worker(self) -> None:
        self._logging = _LoggingServer()
        options = json_format.MessageToJson(self.provision_info.provision_info.pipeline_options)
        environment = {
            "CONTROL_API_SERVICE_DESCRIPTOR": _descriptor(self.control_address),
            "LOGGING_API_SERVICE_DESCRIPTOR": _descriptor(self._logging.address),
            "PIPELINE_OPTIONS": options,
            "WORKER_ID": self.worker_id,
        }
        self._process = start_fork_server().Process(
            target=run_worker, args=(environment,), name=FORKED_WORKER
        )
        self._process.start()
        # The watchdog knows this thread by its name.
        self._thread = Thread(target=self._wait, name=LOCAL_WORKER)
        self._thread.start()

    def _wait(self) -> None:
        self._process.join()
        self._logging.stop()
        # An error in a thread reaches threading.excepthook, where the watchdog listens.
        if self._process.exitcode:
            raise RuntimeError(f"a worker process ended with exit code {self._process.exitcode}")

    def stop_worker(self) -> None:
        # A worker ends by itself when its control stream ends. Beam has ended those of workers that
        # had connected by now. One that connects later, since another has failed at once, would
        # wait for work for ever.
        self.control_conn.push(worker_handlers.BeamFnControlServicer._DONE_MARKER)
        self._thread.join()


class _WorkerLog(beam_fn_api_pb2_grpc.BeamFnLoggingServicer):  # type: ignore[misc]
    """Shows the warnings of one worker, each once: without them nobody learns what fails on a row.

    Errors that stop a job are left to the runner, which reports them.
    """

    def __init__(self) -> None:
        self._messages = Messages()

    def Logging(self, log_bundles: Iterable[Any], context: Any = None) -> Iterator[Any]:  # noqa: N802 - Beam's name
        for bundle in log_bundles:
            for entry in bundle.log_entries:
                self._show(entry)
        return iter(())

    def _show(self, entry: Any) -> None:
        is_ours = entry.log_location.startswith(OUR_PACKAGES)
        is_warning = entry.severity == beam_fn_api_pb2.LogEntry.Severity.WARN
        if not (is_ours and is_warning):
            return
        shown = self._messages.shown_for(entry.message)
        if shown is not None:
            LOGGER.warning("%s", shown)


class _LoggingServer:
    """Receives the log records of one worker, as Beam's own subprocess workers have it."""

    def __init__(self) -> None:
        # As Beam has it: a worker that is busy for minutes sends nothing but pings.
        options = [("grpc.http2.max_pings_without_data", 0), ("grpc.http2.max_ping_strikes", 0)]
        pool = thread_pool_executor.shared_unbounded_instance()
        self._server = grpc.server(pool, options=options)
        port = self._server.add_insecure_port("localhost:0")
        beam_fn_api_pb2_grpc.add_BeamFnLoggingServicer_to_server(_WorkerLog(), self._server)
        self._server.start()
        self.address = f"localhost:{port}"

    def stop(self) -> None:
        self._server.stop(0)


def _descriptor(address: str) -> str:
    text: str = text_format.MessageToString(endpoints_pb2.ApiServiceDescriptor(url=address))
    return text


def run_worker(environment: Mapping[str, str]) -> None:
    """What a worker process does: the same as Beam's `sdk_worker_main`, as a module."""
    from apache_beam.runners.worker import sdk_worker_main

    os.environ.update(environment)
    # Beam prints each error of a worker, and reports it to the runner too. We show the report. A
    # worker that is left behind when another one was killed would print after our last line.
    with Path(os.devnull).open("w") as nowhere, redirect_stderr(nowhere):
        sdk_worker_main.main([])
