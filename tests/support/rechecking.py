"""Datasets whose links lie on the loopback site, and rechecks of them at a given time."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from unittest.mock import patch

import pyarrow as pa
import pyarrow.parquet as pq

from demo.pictures import picture
from demo.scenes import Scene
from pairsieve.images.pdq import pdq
from pipeline.commands.adopt import main as adopt
from pipeline.commands.recheck import main
from tests.support.demo_runs import captured
from tests.support.paths import REPOSITORY
from tests.support.site import Site

FETCHED_AT = "2024-06-01T00:00:00Z"
FIRST, SECOND, THIRD = "2026-11-01T06:00:00Z", "2026-11-02T06:00:00Z", "2026-11-03T06:00:00Z"
OLD = {"Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}


def drawing(seed: int, side: int = 160, kind: str = "PNG") -> bytes:
    """A picture that can be decoded, another one for each seed."""
    scene = Scene(
        ("star", "car", "fish")[seed % 3], ("red", "blue", "green")[seed // 3 % 3], "white"
    )
    buffer = io.BytesIO()
    picture(scene, Random(seed), side).convert("RGB").save(buffer, kind)
    return buffer.getvalue()


def pdq_of(content: bytes) -> str:
    from PIL import Image

    bits, _ = pdq(Image.open(io.BytesIO(content)).convert("RGB"))
    return bits.hex()


def publish(
    site: Site, names: Sequence[str], folder: Path, extra: Mapping[str, Sequence[str]] | None = None
) -> Path:
    """Publish pictures that the site serves from now on, as an adopted dataset of two files."""
    (folder / "dataset").mkdir(parents=True)
    for number, name in enumerate(names):
        site.contents.setdefault(f"/{name}", drawing(number))
        site.types.setdefault(f"/{name}", "image/png")
        site.headers.setdefault(f"/{name}", dict(OLD))
    for file in range(2):
        own = list(names)[file::2]
        pictures = [site.contents[f"/{name}"] for name in own]
        columns = {
            "URL": [f"{site.origin}/{name}" for name in own],
            "TEXT": own,
            "key": [hashlib.md5(name.encode()).hexdigest() for name in own],
            "sha256": [hashlib.sha256(content).hexdigest() for content in pictures],
            "size_bytes": [len(content) for content in pictures],
            "pdq": [pdq_of(content) for content in pictures],
            "fetched_at": [FETCHED_AT] * len(own),
            **{name: list(cells)[file::2] for name, cells in (extra or {}).items()},
        }
        pq.write_table(pa.table(columns), folder / "dataset" / f"{file}.parquet")
    with captured():
        assert adopt(["--dataset", str(folder / "dataset")]) == 0
    return folder / "dataset"


@dataclass(frozen=True)
class Said:
    status: int
    printed: str


def arguments_for(dataset: Path, site: Site, *more: str) -> list[str]:
    """The arguments of `pairsieve recheck` for a dataset on the loopback site."""
    settings = [
        "fetch.source=web",
        "fetch.contact=https://example.org/bot",
        f"fetch.ports=[{site.port}]",
        "fetch.allow_networks=[127.0.0.1/32]",
        "fetch.min_interval_s=0",
        "fetch.robots_max_age_h=0",
        "fetch.max_bytes=100000",
        "extract.buckets=2",
    ]
    work = str(dataset.parent / "work")
    config = str(REPOSITORY / "configs" / "demo.yaml")
    arguments = ["--dataset", str(dataset), "--work", work, "--config", config, "--whole=0"]
    arguments += [f"--set={setting}" for setting in settings]
    return [*arguments, "--log=quiet", "--direct_num_workers=1", *more]


def recheck(dataset: Path, site: Site, at: str, *more: str) -> Said:
    """Run the command in this process, as if it were `at`."""
    with captured() as printed, patch("pipeline.dataset.recheck.now_utc", lambda: at):
        status = main(arguments_for(dataset, site, *more))
    return Said(status, printed.getvalue())


def names_in(dataset: Path) -> set[str]:
    """The captions of the rows that are there, which are the names of their pictures."""
    tables = [pq.read_table(path) for path in sorted(dataset.glob("[0-9].parquet"))]
    return {name for table in tables for name in table["TEXT"].to_pylist()}
