"""The process that local workers are forked from: Python's fork server.

It imports what every worker needs, which takes some seconds. This module needs no Beam, so that a
run can start the server first, and imports Beam itself at the same time.
"""

from __future__ import annotations

import multiprocessing
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext

PRELOADED = ("apache_beam.runners.worker.sdk_worker_main", "pipeline.flow")
"""What every worker imports. Nothing here starts a thread: a fork copies the calling one alone."""


def start_fork_server() -> ForkServerContext:
    """Start the fork server unless it runs. Does not wait for its imports."""
    context = multiprocessing.get_context("forkserver")
    # Has an effect only before the server starts.
    context.set_forkserver_preload(list(PRELOADED))
    forkserver.ensure_running()
    return context
