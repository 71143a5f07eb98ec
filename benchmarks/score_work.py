"""The pairs and pictures that benchmarks/score.py scores."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.plain_loop import extract, fetch
from pairsieve.records.pair import Pair
from pairsieve.records.sample import Image
from pairsieve.warc.source import ArchiveSettings, read_at
from pipeline.commands.run import make_parser
from pipeline.orchestrate.command import prepare as prepare_run
from pipeline.orchestrate.config_file import CONFIGS
from pipeline.orchestrate.plan import Plan

DEMO_MODEL = f"{{demo: {{architecture: 'local-dir:{CONFIGS}/demo/clip', demo: true}}}}"


@dataclass(frozen=True)
class Work:
    """Parts of pairs with their images, and the bytes of each distinct picture by sha256."""

    parts: list[list[Pair]]
    images: list[list[Image]]
    contents: dict[str, bytes]

    @property
    def with_picture(self) -> list[tuple[Pair, Image]]:
        """The pairs whose picture is in the archive."""
        rows = []
        for pairs, images in zip(self.parts, self.images, strict=True):
            for pair, image in zip(pairs, images, strict=True):
                if image.sha256 in self.contents:
                    rows.append((pair, image))
        return rows


def read_work(pattern: str, folder: str) -> Work:
    """Extract and fetch from archives, as the flow does."""
    plan = _plan(pattern, folder)
    extracted = extract(plan)
    # Pictures that do not stay in the archive, by sha256.
    kept: dict[str, bytes] = {}
    images = fetch(plan, extracted.parts, extracted.locations, kept)
    limits = ArchiveSettings(plan.config.fetch.max_bytes)
    contents: dict[str, bytes] = {}
    for part in images:
        for image in part:
            sha256 = image.sha256 or ""
            if image.status != "ok" or sha256 in contents:
                continue
            if image.warc_file is not None and image.record_offset is not None:
                _, body = read_at(image.warc_file, image.record_offset, limits)
                contents[sha256] = body
            else:
                contents[sha256] = kept[sha256]
    return Work(extracted.parts, images, contents)


def _plan(pattern: str, folder: str) -> Plan:
    settings = (
        "fetch.source=archive",
        "extract.buckets=2",
        f"score.models={DEMO_MODEL}",
        "score.routes={en: demo, multi: demo, nolang: demo}",
    )
    arguments = ["--config", str(CONFIGS / "laion5b.yaml"), "--input", pattern]
    arguments += ["--output", f"{folder}/out", "--work", f"{folder}/work"]
    for setting in settings:
        arguments += ["--set", setting]
    options, beam_arguments = make_parser().parse_known_args(arguments)
    plan, _ = prepare_run(options, beam_arguments)
    return plan
