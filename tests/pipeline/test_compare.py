"""Whole runs that compare pictures: copies of one picture at several sites, and evaluation sets."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from random import Random

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageDraw

from demo.pictures import picture
from demo.scenes import Scene
from pairsieve.images.hash_file import write_hashes
from pairsieve.images.pdq import orientations_of
from pipeline.commands.hashes import main as hashes_main
from tests.support.cluster import prism_server
from tests.support.datasets import counts_of, hashes, rows_of
from tests.support.paths import DEMO, REPOSITORY
from tests.support.warcs import page, response

STAR, SHIP, RING = (
    Scene("star", "red", "white"),
    Scene("boat", "blue", "green"),
    Scene("ring", "white", "green"),
)
COMPARING = (
    "filters.detectors.near_copies={}",
    "filters.rules.similarity.thresholds={en: -1, multi: -1, nolang: -1}",
    "filters.rules.image_size.min_bytes=1",
)
DROPPING = (*COMPARING, "filters.rules.near_duplicate={action: drop, keep_captions: 1}")


def drawn(scene: Scene, seed: int) -> Image.Image:
    """A scene with so much detail that it has a hash."""
    image = picture(scene, Random(seed), 256).convert("RGB")
    random, draw = Random(seed), ImageDraw.Draw(image)
    for _ in range(60):
        x, y, size = random.randrange(256), random.randrange(256), random.randrange(8, 40)
        colour = tuple(random.randrange(256) for _ in range(3))
        draw.rectangle((x, y, x + size, y + size), fill=colour)
    return image


def encoded(image: Image.Image, kind: str, **settings) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **settings)
    return buffer.getvalue()


PICTURES = {
    "https://a.example/star.png": (drawn(STAR, 1), "PNG", "a red star on white ground"),
    "https://b.example/small.jpg": (
        drawn(STAR, 1).resize((180, 180)), "JPEG", "a red star, but smaller"),
    "https://c.example/again.webp": (drawn(STAR, 1), "WEBP", "a red star on white ground"),
    "https://d.example/boat.png": (drawn(SHIP, 2), "PNG", "a blue boat on green ground"),
    "https://e.example/ring.png": (drawn(RING, 3), "PNG", "a white ring on green ground"),
}  # fmt: skip


@pytest.fixture(scope="module")
def crawl(tmp_path_factory):
    records = []
    for url, (image, kind, caption) in PICTURES.items():
        host = url.partition("/")[2].partition("/")[2].partition("/")[0]
        body = encoded(image, kind, quality=80) if kind != "PNG" else encoded(image, kind)
        records.append(response(url, body, kind=f"image/{kind.lower()}"))
        records.append(page(f"https://{host}/", f'<img src="{url}" alt="{caption}">'))
    path = tmp_path_factory.mktemp("crawl") / "crawl.warc.gz"
    path.write_bytes(b"".join(records))
    return path


@pytest.fixture(scope="module")
def run(run_demo, crawl, tmp_path_factory):
    def of(*settings, folder=None, options=()):
        given = [f"--set={setting}" for setting in settings]
        place = folder or tmp_path_factory.mktemp("run")
        return run_demo("--input", str(crawl), *given, *options, folder=place)

    return of


@pytest.fixture(scope="module")
def dropping(run):
    return run(*DROPPING)


def dropped(ran) -> dict[str, int]:
    return counts_of(ran.output)["publish"]["sample"]["dropped"]


def urls(ran) -> set[str]:
    return {row["URL"] for row in rows_of(ran.output)}


def test_all_but_the_best_copy_are_dropped(dropping):
    assert dropping.status == 0, dropping.printed
    assert dropped(dropping) == {"near_duplicate": 2}
    kept = urls(dropping)
    assert {"https://d.example/boat.png", "https://e.example/ring.png"} < kept
    assert "https://b.example/small.jpg" not in kept
    assert len(kept) == 3
    compared = counts_of(dropping.output)["compare"]["pair"]
    assert compared["entered"] == compared["kept"] == 5


EVERYTHING = (
    *DROPPING,
    "score.keep_embeddings=true",
    "filters.detectors.near_copies={orientations: true, cosine: 0.99}",
    "filters.rules.memorisable={tag_above: 1}",
)
"""With `concepts` every step of the stage has something to do."""


def bytes_of_stage(output: Path, work: Path) -> dict[str, str]:
    """The hashes of the stage's parts, and of what is published of them."""
    whole = hashes(output)
    rows = {
        name: digest for name, digest in whole.items() if name.startswith(("dataset", "ledger"))
    }
    (stage,) = work.glob("compare/*")
    parts = {name: digest for name, digest in hashes(stage).items() if name.startswith("part-")}
    assert rows
    assert parts
    return rows | parts


@pytest.fixture(scope="module")
def one_worker(run, concepts):
    ran = run(*EVERYTHING, concepts)
    assert ran.status == 0, ran.printed
    return bytes_of_stage(ran.output, ran.work)


@pytest.fixture(scope="module")
def concepts(tmp_path_factory):
    path = tmp_path_factory.mktemp("lists") / "en.txt"
    path.write_text("red star\nboat\n")
    return f"filters.detectors.concepts={{lists: {{en: {path}}}}}"


def test_two_workers_write_the_same_bytes(one_worker, concepts, run):
    two = run(*EVERYTHING, concepts, options=["--direct_num_workers=2"])
    assert two.status == 0, two.printed
    assert bytes_of_stage(two.output, two.work) == one_worker


@pytest.mark.alone  # Prism gives up a worker by the clock
@pytest.mark.timeout(900)
@pytest.mark.parametrize("workers", [1, 2])
def test_prism_writes_the_same_bytes(workers, one_worker, concepts, crawl, key_file, tmp_path):
    with prism_server(tmp_path) as address:
        command = [sys.executable, "-m", "pipeline.run", "--runner=PortableRunner"]
        command += [f"--job_endpoint={address}", "--environment_type=LOOPBACK"]
        command += [f"--sdk_worker_parallelism={workers}", "--input", str(crawl)]
        command += ["--output", str(tmp_path / "out"), "--work", str(tmp_path / "work")]
        settings = (*EVERYTHING, concepts, f"publish.key_file={key_file}")
        command += [f"--set={setting}" for setting in settings]
        ran = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert bytes_of_stage(tmp_path / "out", tmp_path / "work") == one_worker


def test_captions_of_one_picture(run):
    ran = run(*COMPARING, "filters.rules.near_duplicate={action: drop, keep_captions: 5}")
    # Three pairs show the star, of which two have the same caption.
    assert dropped(ran) == {"near_duplicate": 1}
    assert "https://b.example/small.jpg" in urls(ran)


def test_tags_and_a_change_of_rules_that_repeats_publish_alone(run, tmp_path):
    first = run(*DROPPING, folder=tmp_path)
    tagging = (
        *COMPARING,
        "filters.rules.near_duplicate={action: tag, keep_captions: 1}",
        "filters.rules.memorisable={tag_above: 2}",
    )
    again = run(*tagging, folder=tmp_path, options=["--log=text"])
    assert (first.status, again.status) == (0, 0)
    assert len(list(tmp_path.glob("work/compare/*"))) == 1
    tags = {row["URL"]: set(row["tags"]) for row in rows_of(again.output)}
    of_star = [tags[url] for url in tags if "memorisable" in tags[url]]
    assert sorted(map(len, of_star)) == [1, 2, 2]
    assert not tags["https://d.example/boat.png"]
    # What represents a picture depends on what another rule drops.
    run(*DROPPING, "filters.rules.image_size.min_side=200", folder=tmp_path)
    assert len(list(tmp_path.glob("work/compare/*"))) == 2


def test_a_picture_stays_when_another_rule_drops_its_best_copy(run):
    """The rule that comes before or behind: the representative is one that is published."""
    best = {"https://a.example/star.png", "https://c.example/again.webp"}
    ran = run(*DROPPING, "filters.rules.image_size.max_pixels=40000")
    assert urls(ran) == {"https://b.example/small.jpg"}
    assert not best & urls(ran)
    assert dropped(ran)["image_pixels_many"] == 4


def test_pictures_of_an_evaluation_set(run, tmp_path):
    path = tmp_path / "eval.parquet"
    write_hashes(str(path), orientations_of(drawn(SHIP, 2).transpose(Image.Transpose.ROTATE_90)))
    ran = run(
        f"filters.detectors.benchmark_pictures={{sets: {{boats: {path}}}}}",
        *COMPARING[1:],
        "filters.rules.decontaminate={action: drop}",
    )
    assert ran.status == 0, ran.printed
    assert dropped(ran) == {"near_benchmark_boats": 1}
    assert "https://d.example/boat.png" not in urls(ran)
    ledger = [
        row
        for file in ran.output.glob("ledger/*.parquet")
        for row in pq.read_table(file).to_pylist()
    ]
    assert [row["reason"] for row in ledger if row["rule"] == "decontaminate"] == [
        "near_benchmark_boats"
    ]


def test_an_evaluation_set_by_vectors(run, tmp_path):
    """A crop that no hash finds; what is left is what open_clip says is no nearer than that."""
    folder = tmp_path / "set"
    folder.mkdir()
    drawn(SHIP, 2).crop((20, 20, 236, 236)).save(folder / "crop.png")
    out = tmp_path / "eval.parquet"
    demo = ["--config", str(DEMO)]
    assert hashes_main(["--pictures", str(folder), "--out", str(out), *demo]) == 0
    ran = {}
    for cosine in ("null", "0.999", "0.05"):
        ran[cosine] = run(
            "score.keep_embeddings=true",
            f"filters.detectors.benchmark_pictures={{sets: {{boats: {out}}}, cosine: {cosine}}}",
            *COMPARING[1:],
            "filters.rules.decontaminate={action: drop}",
        )
        assert ran[cosine].status == 0, ran[cosine].printed
    found = {name: dropped(one).get("near_benchmark_boats", 0) for name, one in ran.items()}
    assert found["null"] == found["0.999"] == 0
    assert found["0.05"] >= 1
    assert "https://d.example/boat.png" not in urls(ran["0.05"])


def test_an_evaluation_set_of_another_model_is_refused(run, tmp_path):
    path = str(tmp_path / "eval.parquet")
    write_hashes(path, [bytes(32)], {"ViT-B-32@0123456789abcdef": [np.ones(512, np.float16)]})
    ran = run(
        "score.keep_embeddings=true",
        f"filters.detectors.benchmark_pictures={{sets: {{coco: {path}}}, cosine: 0.9}}",
    )
    assert ran.status == 2
    assert "sets.coco has no vectors by the model" in ran.printed
    assert "ViT-B-32@0123456789abcdef, which cannot be compared" in ran.printed
    assert not (ran.work / "extract").exists()


def test_vectors_join_what_no_hash_joins(run):
    """The demonstration model finds all of these pictures alike: at this cosine they are one."""
    ran = run(
        "score.keep_embeddings=true",
        *DROPPING,
        "filters.detectors.near_copies.cosine=0.05",
    )
    assert ran.status == 0, ran.printed
    assert dropped(ran)["near_duplicate"] > 2


def test_a_change_of_balance_repeats_publish_alone(run, tmp_path):
    (tmp_path / "en.txt").write_text("red star\nboat\n")
    counting = (
        f"filters.detectors.concepts={{lists: {{en: {tmp_path / 'en.txt'}}}}}",
        *COMPARING[1:],
    )
    balance = "filters.rules.balance={most_pairs: {other: %s}, unmatched: %s}"
    all_stay = run(*counting, balance % (3, "keep"), folder=tmp_path)
    assert all_stay.status == 0, all_stay.printed
    assert len(rows_of(all_stay.output)) == 5
    some_go = run(*counting, balance % (1, "drop"), folder=tmp_path)
    assert dropped(some_go)["concept_none"] == 1
    assert len(list(tmp_path.glob("work/compare/*"))) == 1
    assert len(list(tmp_path.glob("work/publish/*"))) == 2


def test_a_change_of_quotas_repeats_publish_alone(run, tmp_path):
    """Quotas and thresholds of languages: the captions are English."""
    counting = ("filters.detectors.language_pairs={}", *COMPARING[1:])
    quota = "filters.rules.language_quota={most_pairs: {en: %s, other: %s}}"
    kept = {}
    for of_english in (5, 2, 0):
        ran = run(*counting, quota % (of_english, 100), folder=tmp_path)
        assert ran.status == 0, ran.printed
        kept[of_english] = {row["URL"] for row in rows_of(ran.output) if row["LANGUAGE"] == "en"}
    assert kept[0] < kept[5]
    assert kept[0] <= kept[2] <= kept[5]
    assert not kept[0]
    assert dropped(ran)["language_frequent"] == len(kept[5])
    assert len(list(tmp_path.glob("work/compare/*"))) == 1
    assert len(list(tmp_path.glob("work/publish/*"))) == 3


def test_a_run_that_compares_nothing_has_no_such_stage(demo_run):
    assert not (demo_run.work / "compare").exists()
    assert "compare" not in counts_of(demo_run.output)


def test_stages_one_by_one(run, tmp_path):
    for stages in ("extract,fetch", "score", "publish"):
        ran = run(*DROPPING, folder=tmp_path, options=[f"--stages={stages}"])
        if stages == "publish":
            assert "publish needs compare, which is not done" in ran.printed
    assert run(*DROPPING, folder=tmp_path, options=["--stages=compare"]).status == 0
    assert run(*DROPPING, folder=tmp_path, options=["--stages=publish"]).status == 0
    assert len(rows_of(tmp_path / "out")) == 3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            ["filters.rules.memorisable={tag_above: 2}"],
            (
                "filters.rules.memorisable reads copies, which no detector under filters.detectors "
                "observes; add `near_copies: {}` there"
            ),
        ),
        (
            ["filters.detectors={near_copies: {}}", "filters.rules={}"],
            (
                "filters.detectors.near_copies reads pdq, which no detector under filters.detectors "
                "observes; add `picture_hash: {}` there"
            ),
        ),
        (
            ["filters.detectors.near_copies.cosine=0.9"],
            "near_copies.cosine: the vectors are not kept; set score.keep_embeddings to true",
        ),
        (
            ["filters.detectors.benchmark_pictures={sets: {}, cosine: 0.9}"],
            "cosine: no set has vectors; make its file with `pairsieve hashes --config FILE`",
        ),
        (["filters.detectors.near_copies.most_bits=32"], "less than or equal to 31"),
        (
            ["filters.detectors.benchmark_pictures={sets: {x: /nowhere.parquet}}"],
            "sets.x: nowhere.parquet cannot be read",
        ),
        (
            ["filters.detectors.benchmark_pictures={sets: {My Set: /nowhere.parquet}}"],
            "'My Set' is no name of a set",
        ),
    ],
)
def test_what_cannot_work_is_said_before_the_run(run, settings, message):
    ran = run(*settings)
    assert ran.status == 2
    assert message in ran.printed
    assert not (ran.work / "extract").exists()
