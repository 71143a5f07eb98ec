"""Runs `pairsieve run`: makes the plan, executes it, and prints a summary or an error."""

from __future__ import annotations

import argparse
import logging
import sys
import traceback
from collections.abc import Sequence
from typing import Any

from filters.registry import nearest
from pairsieve.storage import files
from pairsieve.storage.job_end import GroupsMissing
from pairsieve.storage.lock import InUse
from pairsieve.storage.marked import NotOurs
from pairsieve.storage.sealed import Damaged
from pairsieve.storage.secret import BadSecret, read_secret
from pipeline.config import Config
from pipeline.dataset.manifest import NoSuchDataset
from pipeline.dataset.release import check_apart, check_erasures, check_output
from pipeline.dataset.writer import alone_in, only_writer
from pipeline.load_config import as_yaml, config_of
from pipeline.monitoring.logs import shows_bars
from pipeline.monitoring.summary import last_line, table
from pipeline.orchestrate.check_inputs import TooMuchUnreadable
from pipeline.orchestrate.config_file import ConfigError
from pipeline.orchestrate.engine import Engine, JobFailed, make_engine
from pipeline.orchestrate.estimate import core_hours
from pipeline.orchestrate.estimate_text import estimate_line, estimate_text
from pipeline.orchestrate.plan import Plan, check_ready, find_inputs, find_known, make_plan
from pipeline.orchestrate.publish import ErasedMeanwhile, NotReleased, ledger_key_file
from pipeline.orchestrate.rates import PRICES, read_prices, read_rates
from pipeline.orchestrate.results import Results
from pipeline.orchestrate.stage_result import (
    STAGES,
    CountsDoNotAddUp,
    StageName,
    TooMuchQuarantined,
    plain,
)
from pipeline.orchestrate.stages import Run, StageDone, StageMissing, is_done
from pipeline.orchestrate.work import work_left, work_of

LOGGER = logging.getLogger(__name__)
GOES_ON = "What is finished is kept; the same command goes on from there."
REFUSED = (
    StageMissing,
    StageDone,
    NotReleased,
    InUse,
    NoSuchDataset,
    NotOurs,
    ErasedMeanwhile,
)
"""Errors after which nothing was done or published; the message says what to do."""

BROKEN = (
    JobFailed,
    GroupsMissing,
    CountsDoNotAddUp,
    TooMuchQuarantined,
    TooMuchUnreadable,
    Damaged,
    OSError,
)
"""Errors that stop a run in the middle."""

DONE, FAILED, BAD_CONFIG, INTERRUPTED = 0, 1, 2, 130

# Core hours from which a run begins with its estimate. A few minutes need none.
WORTH_AN_ESTIMATE_H = 0.1


def run(options: argparse.Namespace, beam_arguments: Sequence[str]) -> int:
    """Run the flow, and return the exit status.

    An error that the user can act on is printed in one line. Any other exception is a bug, and
    keeps its traceback.
    """
    try:
        return _run(options, beam_arguments)
    except ConfigError as error:
        return _fail(str(error), BAD_CONFIG)
    except REFUSED as error:
        return _fail(str(error), FAILED)
    except BROKEN as error:
        if options.debug:
            traceback.print_exception(error)
        return _fail(f"the run failed: {error}\n{GOES_ON}", FAILED)
    except KeyboardInterrupt as error:
        what_runs = str(error) or "nothing goes on running"
        return _fail(f"interrupted: {what_runs}\n{GOES_ON}", INTERRUPTED)


def _run(options: argparse.Namespace, beam_arguments: Sequence[str]) -> int:
    stages = stages_in(options.stages)
    if options.print_config:
        sys.stdout.write(as_yaml(_config(options)))
        return DONE
    if options.estimate:
        return _estimate(options)
    results, engine = _prepare(options, beam_arguments)
    if engine.only_submits:
        return _submit(results, engine, stages)
    return _execute(results, engine, stages, options)


def _execute(
    results: Results, engine: Engine, stages: Sequence[StageName], options: argparse.Namespace
) -> int:
    """Run stages, and print a summary."""
    plan = results.plan
    run = Run(plan, engine, shows_bars(options.log), results)
    rates = read_rates()
    work = work_left(run.results, rates)
    if work and core_hours(work, rates) > WORTH_AN_ESTIMATE_H:
        LOGGER.info(estimate_line(work, rates, engine.workers))
    with alone_in(plan.config.work):
        counts = run.execute(stages, options.retry_failed)
    if options.log == "json":
        LOGGER.info("done", extra={"counts": plain(counts)})
    if options.log == "text":
        sys.stdout.write(f"{table(counts)}\n")
    # Without publish there is no dataset to point at.
    folder = plan.config.output if "publish" in stages else plan.config.work
    sys.stdout.write(f"{last_line(folder, stages, counts)}\n")
    return DONE


def stages_in(option: str | None) -> tuple[StageName, ...]:
    """The stages that --stages names, in the order of the flow; all if the option is not given.

    Raises ConfigError for a name that is no stage.
    """
    if option is None:
        return STAGES
    names = [name.strip() for name in option.split(",") if name.strip()]
    for name in names:
        if name not in STAGES:
            raise ConfigError(f"--stages: there is no stage {name!r}; {nearest(name, STAGES)}")
    if not names:
        raise ConfigError(f"--stages names no stage; there are {', '.join(STAGES)}")
    return tuple(stage for stage in STAGES if stage in names)


def _estimate(options: argparse.Namespace) -> int:
    """Print what the run will take. No model has to be there for that. Raises ConfigError."""
    rates = read_rates()
    config = _config(options)
    work = work_of(config, find_inputs(config.input), rates, find_known(config))
    if work is None:
        raise ConfigError(
            "an estimate needs archives whose size is known; these inputs are no archives, or "
            "their store does not tell their size"
        )
    prices = read_prices(options.prices or PRICES)
    sys.stdout.write(f"{estimate_text(work, rates, prices)}\n")
    return DONE


def _submit(results: Results, engine: Engine, stages: Sequence[StageName]) -> int:
    """Write one job to a template, without running it."""
    if len(stages) != 1:
        raise ConfigError(
            "a template holds one job: name its stage with --stages; the stages before it must be "
            "complete"
        )
    with alone_in(results.plan.config.work):
        Run(results.plan, engine, looked_up=results).submit(stages[0])
    sys.stdout.write(
        f"{stages[0]}: the job is written, but was not run; once it has run, give this command "
        "without the template, and it takes the result over\n"
    )
    return DONE


def prepare(options: argparse.Namespace, beam_arguments: Sequence[str]) -> tuple[Plan, Engine]:
    """Check everything that can be checked before work starts. Raises ConfigError."""
    results, engine = _prepare(options, beam_arguments)
    return results.plan, engine


def _prepare(options: argparse.Namespace, beam_arguments: Sequence[str]) -> tuple[Results, Engine]:
    """Like `prepare`, with the plan's results: they are looked up once in a run."""
    # For the message on an unknown option, which names the nearest one.
    own_options = [f"--{name.replace('_', '-')}" for name in vars(options)]
    engine = make_engine(beam_arguments, own_options, options.patience * 60)
    config = _config(options)
    check_apart(config)
    # Only for these checks: publish takes the lock again, and checks again (Publisher.check_place).
    # The writer first finishes an erasure that was interrupted, so that its tombstones apply.
    with only_writer(config.output):
        check_output(config.output)
        plan = make_plan(config, check=False)
        check_erasures(config.output, plan.rules)
    results = Results(plan)
    # Loading detectors takes a second or more, which a run with nothing to do saves.
    if not _has_nothing_to_do(results):
        check_ready(plan)
    _check_secret(config)
    files.make_private_folder(config.work)
    return results, engine


def _has_nothing_to_do(results: Results) -> bool:
    try:
        return is_done(results)
    except OSError:
        return False  # a detector's file is missing, or cannot be read: loading it says which


def _check_secret(config: Config) -> None:
    """Raise ConfigError for an unusable secret of the ledger now, and not when publish needs it."""
    path = ledger_key_file(config)
    try:
        if files.exists(path):
            read_secret(path)
    except BadSecret as error:
        raise ConfigError(str(error)) from None


def _config(options: argparse.Namespace) -> Config:
    settings: dict[str, Any] = {}
    if options.output:
        settings["output"] = options.output
    if options.work:
        settings["work"] = options.work
    if options.input:
        # Inputs of the command line replace those of the config, of both kinds.
        settings["input"] = {"files": options.input, "listings": []}
    return config_of(options, settings)


def _fail(message: str, status: int) -> int:
    """Print an error, and return the exit status."""
    sys.stderr.write(f"pairsieve: {message}\n")
    return status
