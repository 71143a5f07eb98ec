"""The publish stage: the job writes shards beside the dataset, then the dataset is replaced."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from filters.erasure import Erasure
from pairsieve.records.aggregates import read_aggregates
from pairsieve.records.layout import SENSITIVE_FOLDER
from pairsieve.records.outcome import Unit, UnitCounts, notes
from pairsieve.search.sources import Source
from pairsieve.storage import files
from pairsieve.storage.job_end import (
    AGGREGATES_FILE,
    PROBLEMS_FILE,
    SHARDS_FILE,
    read_list,
    read_tally,
)
from pairsieve.storage.lock import Lock
from pairsieve.storage.marked import mark
from pairsieve.storage.secret import secret_in
from pipeline.config import Config
from pipeline.dataset.release import UNRELEASED, Made, Release, check_erasures, check_output
from pipeline.dataset.review import medical_words_of, over, review_page
from pipeline.monitoring.progress import read_history
from pipeline.orchestrate.plan import Plan
from pipeline.orchestrate.results import Results
from pipeline.orchestrate.stage_result import StageResult, balances, check_quarantine
from transforms.review.review import Review, ReviewSettings

LOGGER = logging.getLogger(__name__)
REVIEW_LIST, REVIEW_FOLDER = "release-check.html", "review"

KEY_FILE = "ledger.key"

WriteShards = Callable[[str, bytes], None]
"""Runs the job that writes shards below a folder; the bytes are the secret of the ledger's keys."""

TakeOver = Callable[[], bool]
"""Sums what an earlier job has counted, if it has ended. Returns whether it has."""

ReviewShards = Callable[[ReviewSettings, Sequence[Source], str], Review]
"""Runs the job that looks at every row; it may use a folder that is not there yet."""


class NotReleased(RuntimeError):
    """The release check found more than the config allows; readers do not see the dataset."""


class ErasedMeanwhile(RuntimeError):
    """People were taken out of the dataset that the run was about to replace."""


@dataclass(frozen=True)
class ShardJob:
    """The job that writes shards, and the function that takes over an earlier such job."""

    run: WriteShards
    take_over: TakeOver


@dataclass(frozen=True)
class Publisher:
    """Publishes a plan's results."""

    plan: Plan
    results: Results
    shard_job: ShardJob
    review_shards: ReviewShards

    @property
    def release(self) -> Release:
        """The output directory, and what this stage has put there."""
        return Release(self.plan.config.output, self.results.published)

    def publish(self, result: StageResult, lock: Lock) -> dict[Unit, UnitCounts]:
        """Write the shards, check them, and put them in place while `lock` is held.

        Raises what a failed job raises, CountsDoNotAddUp, TooMuchQuarantined.
        """
        config, results = self.plan.config, self.results
        if not self._is_staged(result):
            # Marked first, so that a later run may remove what a killed one has left there.
            mark(self.release.staging)
            self.shard_job.run(self.release.staging, self.secret())
        tally = read_tally(result.folder)
        models = {note.removeprefix("sample: "): n for note, n in notes(tally).items()}
        for model, number in models.items():
            LOGGER.info("publish: %d pairs scored by %s", number, model)
        # Before anything is put in place: a dataset whose counts do not add up is not published.
        counts = balances(tally, ("sample",), "publish")
        check_quarantine(counts["sample"], config.publish.max_quarantine, "publish, samples")

        before = results.in_order[:-1]
        all_counts = {earlier.stage.name: earlier.read_counts() for earlier in before}
        all_counts["publish"] = counts
        history = {earlier.stage.name: read_history(earlier.folder) for earlier in before}
        problems = read_list(results.extracted.folder, PROBLEMS_FILE)
        shards = read_list(result.folder, SHARDS_FILE)
        aggregates = read_aggregates(files.read_text(result.path(AGGREGATES_FILE)))
        made = Made(shards, all_counts, problems, models, aggregates, history)

        below = self._released_below(shards)
        lock.check()  # somebody else may have taken it while the job ran
        self.release.install(self.plan, made, below)
        if config.publish.sensitive == "private":
            LOGGER.info(
                "publish: tags and scores that speak of people are private, in %s",
                result.path(SENSITIVE_FOLDER),
            )
        return counts

    def _is_staged(self, result: StageResult) -> bool:
        """Whether a job has written the shards already, and they are not in place yet.

        That is so after a job that nobody waited for, as a Dataflow template.
        """
        if not self.shard_job.take_over():
            return False
        shards = read_list(result.folder, SHARDS_FILE)
        return all(files.exists(files.join(self.release.staging, path)) for path, *_ in shards)

    def check_place(self) -> None:
        """Check that the dataset may still be put in place.

        Since the plan was made, others may have written there, or taken people out. Raises
        ConfigError, ErasedMeanwhile.
        """
        output, rules = self.plan.config.output, self.plan.rules
        check_output(output)
        check_erasures(output, rules)
        for rule in rules:
            # A copy of the rule reads the tombstones again.
            if isinstance(rule, Erasure) and replace(rule).prepare() != rule.prepare():
                raise ErasedMeanwhile(
                    f"people were taken out of {output} while this run was under way. Nothing was "
                    "published; the same command goes on from there, without them"
                )

    def check_released(self) -> None:
        """Raise NotReleased where the dataset is not in the output directory."""
        config = self.plan.config
        if self.release.place == files.join(config.output, ""):
            return
        review_list = files.join(config.work, REVIEW_LIST)
        raise NotReleased(
            f"the release check found too much: {review_list} lists it, and the dataset is in "
            f"{self.release.place}"
        )

    def _released_below(self, written: Sequence[tuple[str, int, int, str]]) -> str:
        """The folder below the output directory that the dataset goes to.

        Empty where the release check passes or is not wanted, else `unreleased`. `written` files
        are (path, rows, bytes, sha256).
        """
        config = self.plan.config
        if not config.publish.release_check:
            return ""
        shards = [
            Source(path, sha256, rows)
            for path, rows, _, sha256 in written
            if path.startswith("dataset/")
        ]
        is_private = config.publish.sensitive == "private"
        private = self.results.published.folder if is_private else ""
        erasures = [rule for rule in self.plan.rules if isinstance(rule, Erasure)]
        tombstones = erasures[0].tombstones if erasures else ""
        settings = ReviewSettings(
            self.release.staging,
            private=private,
            tombstones=tombstones,
            medical=medical_words_of(config.filters),
        )
        # On the staged shards: what fails the check never lies where readers look.
        review = self.review_shards(settings, shards, self.results.published.path(REVIEW_FOLDER))
        too_many = over(review, config.publish.release_limits)
        page = review_page(config.name, review, too_many)
        files.write_private(files.join(config.work, REVIEW_LIST), page)
        for line in too_many:
            LOGGER.warning("release check: %s", line)
        return UNRELEASED if too_many else ""

    def secret(self) -> bytes:
        """The secret of the ledger's keys; it is made where there is none."""
        path = ledger_key_file(self.plan.config)
        secret, is_new = secret_in(path)
        if is_new:
            LOGGER.info(
                "made %s: keep it secret and apart from the dataset. Without it the ledger leads "
                "back to nothing",
                path,
            )
        return secret


def ledger_key_file(config: Config) -> str:
    """Where the secret of the ledger's keys lies.

    In the work directory, unless the config names a file.
    """
    return config.publish.key_file or files.join(config.work, KEY_FILE)
