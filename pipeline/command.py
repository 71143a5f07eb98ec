"""What `pipeline.run` does once its options are read: plan, execute, say how it went."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from pipeline.config import ConfigError, load_config
from pipeline.engine import Engine, JobFailed, make_engine
from pipeline.execute import NotReleased, Run
from pipeline.logs import shows_bars
from pipeline.plan import Plan, make_plan
from pipeline.release import check_erasures, check_output
from pipeline.stages import CountsDoNotAddUp, TooMuchQuarantined, plain
from pipeline.summary import last_line, table
from storage.lock import InUse, one_writer

LOGGER = logging.getLogger(__name__)
DONE, FAILED, BAD_CONFIG = 0, 1, 2


def run(options: argparse.Namespace, beam_arguments: Sequence[str]) -> int:
    """Run the flow; the exit status."""
    try:
        plan, engine = prepare(options, beam_arguments)
        with one_writer(plan.config.work):
            counts = Run(plan, engine, shows_bars(options.log)).execute(options.retry_failed)
    except ConfigError as error:
        return _say(f"pairsieve: {error}", BAD_CONFIG)
    except InUse as error:
        return _say(f"pairsieve: {plan.config.work}: {error}", FAILED)
    except NotReleased as error:
        return _say(f"pairsieve: {error}", FAILED)
    except (JobFailed, CountsDoNotAddUp, TooMuchQuarantined, OSError) as error:
        return _say(f"pairsieve: the run failed: {error}\nWhat is finished is kept; the same command goes on from there.", FAILED)
    if options.log == "json":
        LOGGER.info("done", extra={"counts": plain(counts)})
    summary = f"{table(counts)}\n" if options.log == "text" else ""
    sys.stdout.write(f"{summary}{last_line(plan.config.output, counts)}\n")
    return DONE


def prepare(options: argparse.Namespace, beam_arguments: Sequence[str]) -> tuple[Plan, Engine]:
    """Everything that can be found wrong before work starts. Raises ConfigError."""
    engine = make_engine(beam_arguments, own_options=[f"--{name}" for name in vars(options)])
    given = {name: value for name, value in (("output", options.output), ("work", options.work)) if value}
    inputs = {"input": {"files": options.input, "listings": []}} if options.input else {}
    config = load_config(options.config, options.set, {**given, **inputs})
    check_output(config.output)
    plan = make_plan(config)
    check_erasures(config.output, plan.rules)
    return plan, engine


def _say(message: str, status: int) -> int:
    sys.stderr.write(message + "\n")
    return status
