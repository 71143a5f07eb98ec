"""What `pipeline.run` does once its options are read: plan, execute, say how it went."""

from __future__ import annotations

import argparse
import logging
import sys
import traceback
from collections.abc import Sequence

from filters.registry import nearest
from pairsieve.storage import files
from pairsieve.storage.lock import InUse
from pairsieve.storage.marked import NotOurs
from pairsieve.storage.sealed import Damaged
from pairsieve.storage.secret import BadSecret, read_secret
from pipeline.config import Config, as_yaml, config_of
from pipeline.dataset.manifest import NoSuchDataset
from pipeline.dataset.release import check_apart, check_erasures, check_output
from pipeline.dataset.writer import alone_in, only_writer
from pipeline.monitoring.logs import shows_bars
from pipeline.monitoring.summary import last_line, table
from pipeline.orchestrate.config_file import ConfigError
from pipeline.orchestrate.engine import Engine, JobFailed, make_engine
from pipeline.orchestrate.estimate import (
    PRICES,
    core_hours,
    estimate_line,
    estimate_text,
    read_prices,
    read_rates,
    work_left,
    work_of,
)
from pipeline.orchestrate.plan import Plan, check_ready, find_inputs, make_plan
from pipeline.orchestrate.publish import ErasedMeanwhile, NotReleased, ledger_key_file
from pipeline.orchestrate.stage_result import (
    STAGES,
    CountsDoNotAddUp,
    StageName,
    TooMuchQuarantined,
    plain,
)
from pipeline.orchestrate.stages import Run, StageDone, StageMissing, is_done

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
"""Nothing was done, or nothing was published; the message says what to do."""

BROKEN = (JobFailed, CountsDoNotAddUp, TooMuchQuarantined, Damaged, OSError)
"""The run stopped in the middle."""

DONE, FAILED, BAD_CONFIG, INTERRUPTED = 0, 1, 2, 130
WORTH_SAYING_H = 0.1  # core hours; nobody asks what a few minutes will take


def run(options: argparse.Namespace, beam_arguments: Sequence[str]) -> int:
    """Run the flow; the exit status.

    Errors that the user can act on become one line. Any other exception is a bug, and keeps its
    traceback.
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
    plan, engine = prepare(options, beam_arguments)
    if engine.only_submits:
        return _submit(plan, engine, stages)
    return _execute(plan, engine, stages, options)


def _execute(
    plan: Plan, engine: Engine, stages: Sequence[StageName], options: argparse.Namespace
) -> int:
    """Have stages run, and say how it went."""
    rates = read_rates()
    work = work_left(plan, rates)
    if work and core_hours(work, rates) > WORTH_SAYING_H:
        LOGGER.info(estimate_line(work, rates, engine.workers))
    with alone_in(plan.config.work):
        counts = Run(plan, engine, shows_bars(options.log)).execute(stages, options.retry_failed)
    if options.log == "json":
        LOGGER.info("done", extra={"counts": plain(counts)})
    place = plan.config.output if "publish" in stages else plan.config.work
    summary = f"{table(counts)}\n" if options.log == "text" else ""
    sys.stdout.write(f"{summary}{last_line(place, stages, counts)}\n")
    return DONE


def stages_in(given: str | None) -> tuple[StageName, ...]:
    """Those that --stages names, in the order of the flow; all where it is not given. Raises
    ConfigError.
    """
    if given is None:
        return STAGES
    names = [name.strip() for name in given.split(",") if name.strip()]
    for name in names:
        if name not in STAGES:
            raise ConfigError(f"--stages: there is no stage {name!r}; {nearest(name, STAGES)}")
    if not names:
        raise ConfigError(f"--stages names no stage; there are {', '.join(STAGES)}")
    return tuple(stage for stage in STAGES if stage in names)


def _estimate(options: argparse.Namespace) -> int:
    """Say what the run will take; no model is needed. Raises ConfigError."""
    rates, config = read_rates(), _config(options)
    work = work_of(config, find_inputs(config.input), rates)
    if work is None:
        raise ConfigError(
            "an estimate is made of archives by their size; these inputs are no archives, or "
            "nobody says how large they are"
        )
    sys.stdout.write(estimate_text(work, rates, read_prices(options.prices or PRICES)) + "\n")
    return DONE


def _submit(plan: Plan, engine: Engine, stages: Sequence[StageName]) -> int:
    """Have one job written down."""
    if len(stages) != 1:
        raise ConfigError(
            "a template holds one job: name its stage with --stages; those before it must be done"
        )
    with alone_in(plan.config.work):
        Run(plan, engine).submit(stages[0])
    sys.stdout.write(
        f"{stages[0]}: the job is written and nothing was run; once it has run, this command "
        "without the template takes its result over\n"
    )
    return DONE


def prepare(options: argparse.Namespace, beam_arguments: Sequence[str]) -> tuple[Plan, Engine]:
    """Find whatever can be found wrong before work starts. Raises ConfigError."""
    own_options = [f"--{name.replace('_', '-')}" for name in vars(options)]
    engine = make_engine(beam_arguments, own_options, options.patience * 60)
    config = _config(options)
    check_apart(config)
    # The writer finishes an erasure that was cut off, so that its tombstones count.
    with only_writer(config.output):
        check_output(config.output)
        plan = make_plan(config, check=False)
        check_erasures(config.output, plan.rules)
    if not is_done(plan):
        check_ready(config, plan)
    _check_secret(config)
    files.make_private_folder(config.work)
    return plan, engine


def _check_secret(config: Config) -> None:
    """Raise ConfigError where the ledger's secret is none, days before it is needed."""
    path = ledger_key_file(config)
    try:
        if files.exists(path):
            read_secret(path)
    except BadSecret as error:
        raise ConfigError(str(error)) from None


def _config(options: argparse.Namespace) -> Config:
    given = {
        name: value for name, value in (("output", options.output), ("work", options.work)) if value
    }
    inputs = {"input": {"files": options.input, "listings": []}} if options.input else {}
    return config_of(options, {**given, **inputs})


def _fail(message: str, status: int) -> int:
    sys.stderr.write(f"pairsieve: {message}\n")
    return status
