"""The stage `compare` against a plain loop over all pairs of pictures, however work is divided."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.pipeline import Pipeline
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.runners.portability.portable_runner import PortableRunner

from filters.balance.concepts import Concepts
from filters.balance.languages import LanguagePairs
from filters.detector import Columns, MissingModel, Needs
from filters.duplicates.detectors import BenchmarkPictures, NearCopies
from filters.similarity import Similarity
from pairsieve.images.hash_file import write_hashes
from pairsieve.images.pdq import orientations
from pairsieve.records.outcome import Tally
from pairsieve.records.pair import PAIR_SCHEMA, Pair, key_of
from pairsieve.records.sample import IMAGE_SCHEMA, SCORE_SCHEMA, Image, Score
from pairsieve.records.table import schema_with, to_table
from pairsieve.storage import parts
from pipeline import flow
from tests.support.cluster import prism_server
from transforms.compare.settings import CompareSettings, Division
from transforms.rules import RuleSettings
from transforms.samples import SampleFolders, read_samples

OF_SCORES = {"pdq": pa.string(), "pdq_quality": pa.int32(), "pdq_trimmed": pa.string()}
SIMILAR = Similarity({"en": 0.3})
ONE = Division(1, 0)
COPIES = (NearCopies(),)
MOST = 31


@dataclass(frozen=True)
class Shown:
    """A pair with the picture that it shows; `sha256` stands for the bytes."""

    url: str
    caption: str
    pdq: bytes | None
    quality: int = 100
    inner: bytes | None = None
    sha256: str = ""
    side: int = 100
    similarity: float = 0.5
    status: str = "ok"
    vector: tuple[float, ...] | None = None
    model: str = "m@w"
    language: str = "en"

    @property
    def key(self) -> bytes:
        return key_of(self.url, self.caption)

    def records(self) -> tuple[Pair, Image, Score]:
        page, code = "https://a.example/", self.language
        subset = "en" if code == "en" else "multi" if code else "nolang"
        pair = Pair(
            self.key, self.url, self.caption, subset, code, page, "w", 7, "sha1:D", "T", 0, {}
        )
        digest = self.sha256 or hashlib.sha256(self.url.encode()).hexdigest()
        image = Image(self.key, "ok", 200, self.url, "T", "image/png", 9000, digest, "m")
        found = {
            "pdq": self.pdq.hex() if self.pdq else None,
            "pdq_quality": self.quality,
            "pdq_trimmed": self.inner.hex() if self.inner else None,
        }
        sides = (self.side, self.side, "PNG")
        vector = None if self.vector is None else np.array(self.vector, np.float16)
        scored = (self.similarity, self.model, "fp32", vector)
        score = Score(self.key, self.status, *sides, *scored, evidence=found)
        return pair, image, score


def written(folder: Path, all_parts: Sequence[Sequence[Shown]]) -> SampleFolders:
    """Parts of these pairs, as extract, fetch and score leave them."""
    folders = SampleFolders(*(str(folder / name) for name in ("pairs", "images", "scores")))
    schemas = (PAIR_SCHEMA, IMAGE_SCHEMA, schema_with(SCORE_SCHEMA, OF_SCORES))
    for number, shown in enumerate(all_parts):
        ordered = sorted(shown, key=lambda one: one.key)
        records = zip(*(one.records() for one in ordered), strict=True)
        for place, of_kind, schema in zip(
            (folders.pairs, folders.images, folders.scores), records, schemas, strict=True
        ):
            parts.write_part(place, f"part-{number:05d}-0000", to_table(of_kind, schema), Tally())
    return folders


def compared(
    folder: Path,
    all_parts: Sequence[Sequence[Shown]],
    detectors=COPIES,
    division: Division = ONE,
    rules=(SIMILAR,),
    spill: bool = False,
    workers: int = 1,
    prism: str = "",
) -> dict[str, dict[bytes, dict[str, object]]]:
    """Run the stage; part -> key -> evidence. The files are in `folder / "out"`.

    `prism` is the address of a Prism that runs it, with workers in this process.
    """
    folders = written(folder, all_parts)
    copies = next((one for one in detectors if isinstance(one, NearCopies)), None)
    concepts = next((one for one in detectors if isinstance(one, Concepts)), None)
    languages = any(isinstance(one, LanguagePairs) for one in detectors)
    settings = CompareSettings(
        names=parts.part_names(folders.pairs),
        folders=folders,
        output=str(folder / "out"),
        copies=copies,
        concepts=concepts,
        detectors=detectors,
        rules=RuleSettings(rules, (), b"", 1),
        division=division,
        samples=sum(map(len, all_parts)),
        spill=str(folder / "spill") if spill else "",
        languages=languages,
    )
    if prism:
        runner = PortableRunner()
        given = [f"--job_endpoint={prism}", f"--sdk_worker_parallelism={workers}"]
        given.append("--environment_type=LOOPBACK")
    else:
        runner, given = FnApiRunner(), [f"--direct_num_workers={workers}"]
        given += ["--direct_running_mode=multi_processing"] if workers > 1 else []
    with Pipeline(runner=runner, options=PipelineOptions(given)) as pipeline:
        flow.compare(pipeline, settings)
    return {
        name: {row["key"]: row for row in parts.read_part(settings.output, name).to_pylist()}
        for name in parts.part_names(settings.output)
    }


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "out").glob("part-*")}


def distance(left: bytes, right: bytes) -> int:
    return (int.from_bytes(left, "big") ^ int.from_bytes(right, "big")).bit_count()


def same(left: Shown, right: Shown, turns: bool = False) -> bool:
    """Whether two pairs show the same picture, by the definition."""
    hashes = []
    for one in (left, right):
        good = one.pdq is not None and one.quality >= 50
        hashes.append([h for h in (one.pdq if good else None, one.inner) if h])
    ways = [way for h in hashes[0] for way in (orientations(h) if turns else (h,))]
    if any(distance(a, b) <= MOST for a in ways for b in hashes[1]):
        return True
    return bool(left.sha256) and left.sha256 == right.sha256


def by_plain_loop(all_parts: Sequence[Sequence[Shown]], turns: bool = False):
    """Key -> (copies, kept_of, caption_rank), by comparing all pairs."""
    shown = [one for of_part in all_parts for one in of_part if one.status == "ok"]
    group = list(range(len(shown)))
    for a in range(len(shown)):
        for b in range(a):
            if group[a] != group[b] and same(shown[a], shown[b], turns):
                old, new = group[a], group[b]
                group = [new if one == old else one for one in group]
    wanted: dict[bytes, tuple[int, str, int | None]] = {}
    for number in set(group):
        members = [one for one, of in zip(shown, group, strict=True) if of == number]
        members.sort(key=lambda one: (one.similarity < 0.3, -one.side, -one.similarity, one.key))
        captions = list(dict.fromkeys(one.caption for one in members))
        firsts = [next(one for one in members if one.caption == caption) for caption in captions]
        ranks = {one.key: rank for rank, one in enumerate(firsts[:10])}
        for one in members:
            urls = {member.url for member in members}
            wanted[one.key] = (len(urls), members[0].key.hex(), ranks.get(one.key))
    return wanted


def found_in(result) -> dict[bytes, tuple[object, ...]]:
    return {
        key: (row["copies"], row["kept_of"], row["caption_rank"])
        for of_part in result.values()
        for key, row in of_part.items()
        if row["copies"] is not None
    }


def changed(digest: bytes, bits: int, random: Random) -> bytes:
    number = int.from_bytes(digest, "big")
    for bit in random.sample(range(256), bits):
        number ^= 1 << bit
    return number.to_bytes(32, "big")


def crowd(seed: int, number: int = 150, pictures: int = 25, parts_of: int = 4):
    """Pairs in parts: copies with up to 45 differing bits, of which some are none therefore."""
    random = Random(seed)
    originals = [random.randbytes(32) for _ in range(pictures)]
    all_parts: list[list[Shown]] = [[] for _ in range(parts_of)]
    for n in range(number):
        original = random.choice(originals)
        url = f"https://{n % 40}.example/{n}.png"
        one = Shown(
            url,
            f"caption {random.randrange(6)}",
            changed(original, random.choice([0, 0, 5, 12, 20, 31, 32, 45]), random),
            quality=random.choice([100, 100, 60, 10]),
            sha256=hashlib.sha256(bytes([random.randrange(40)])).hexdigest(),
            side=random.choice([100, 200, 300]),
            similarity=random.choice([0.2, 0.4, 0.5]),
            status=random.choice(["ok"] * 9 + ["undecodable"]),
        )
        if random.random() < 0.2:
            inner = changed(random.choice(originals), random.randrange(10), random)
            one = replace(one, inner=inner)
        all_parts[n % 40 % parts_of].append(one)
        if random.random() < 0.2:  # another caption of the same URL, which lies in the same part
            all_parts[n % 40 % parts_of].append(replace(one, caption="another one"))
    # What a part must not hold twice.
    return [list({one.key: one for one in of_part}.values()) for of_part in all_parts]


def exact_by_bytes(all_parts):
    """Rows whose bytes are the same have the same hash: that is what bytes mean."""
    first: dict[str, Shown] = {}
    return [
        [
            replace(
                one,
                pdq=first.setdefault(one.sha256, one).pdq,
                quality=first[one.sha256].quality,
                inner=first[one.sha256].inner,
            )
            for one in of_part
        ]
        for of_part in all_parts
    ]


@pytest.mark.parametrize("seed", range(4))
def test_groups_are_those_of_a_plain_loop(tmp_path, seed):
    all_parts = exact_by_bytes(crowd(seed))
    found = found_in(compared(tmp_path, all_parts))
    assert found == by_plain_loop(all_parts)
    assert len({kept_of for _, kept_of, _ in found.values()}) < len(found)


def test_turned_pictures_count_where_that_is_wanted(tmp_path):
    random = Random(5)
    original = random.randbytes(32)
    ways = [changed(way, 12, random) for way in orientations(original)]
    others = [random.randbytes(32) for _ in range(4)]
    shown = [Shown(f"https://{n}.example/", f"c{n}", h) for n, h in enumerate([*ways, *others])]
    turned = found_in(compared(tmp_path / "a", [shown], (NearCopies(orientations=True),)))
    assert turned == by_plain_loop([shown], turns=True)
    assert sorted(copies for copies, _, _ in turned.values()) == [1] * 4 + [8] * 8
    upright = found_in(compared(tmp_path / "b", [shown]))
    assert {copies for copies, _, _ in upright.values()} == {1}


@pytest.mark.parametrize(
    ("division", "spill"), [(Division(5, 0), False), (Division(3, 3), True), (Division(2, 1), True)]
)
def test_how_work_is_divided_changes_no_byte(tmp_path, division, spill):
    all_parts = crowd(7)
    compared(tmp_path / "one", all_parts)
    compared(tmp_path / "other", all_parts, division=division, spill=spill)
    assert bytes_of(tmp_path / "one") == bytes_of(tmp_path / "other")
    assert bytes_of(tmp_path / "one")


def test_two_workers_write_the_same_bytes(tmp_path):
    all_parts = crowd(8)
    compared(tmp_path / "one", all_parts)
    compared(tmp_path / "two", all_parts, division=Division(3, 1), workers=2, spill=True)
    assert bytes_of(tmp_path / "one") == bytes_of(tmp_path / "two")


@pytest.mark.alone  # Prism gives up a worker by the clock
@pytest.mark.timeout(600)
@pytest.mark.parametrize("workers", [1, 2])
def test_prism_writes_the_same_bytes(tmp_path, workers):
    all_parts = crowd(9)
    compared(tmp_path / "here", all_parts)
    with prism_server(tmp_path) as address:
        division = Division(3, 1)
        compared(tmp_path / "prism", all_parts, division=division, workers=workers, prism=address)
    assert bytes_of(tmp_path / "here") == bytes_of(tmp_path / "prism")
    assert bytes_of(tmp_path / "here")


def test_the_division_of_many_samples():
    assert Division.of(0) == Division.of(1_000_000) == Division(1, 0)
    assert Division.of(10_000_000) == Division(10, 2)
    assert Division.of(1_000_000_000) == Division(1000, 9)


def test_a_part_without_pictures_is_written_too(tmp_path):
    all_parts = [
        [Shown("https://a.example/", "c", None, status="undecodable")],
        [Shown("https://b.example/", "c", bytes(32))],
    ]
    result = compared(tmp_path, all_parts)
    (nothing,), (alone,) = (list(of_part.values()) for of_part in result.values())
    assert (nothing["copies"], nothing["kept_of"], nothing["caption_rank"]) == (None, None, None)
    assert (alone["copies"], alone["kept_of"], alone["caption_rank"]) == (
        1, alone["key"].hex(), 0,
    )  # fmt: skip


def test_nothing_at_all(tmp_path):
    gone = Shown("https://a.example/", "c", None, status="undecodable")
    (of_part,) = compared(tmp_path, [[gone]]).values()
    assert [row["copies"] for row in of_part.values()] == [None]


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"side": 90, "similarity": 0.31}, {"side": 100, "similarity": 0.29}),  # a rule drops it
        ({"side": 101, "similarity": 0.4}, {"side": 100, "similarity": 0.9}),
        ({"side": 100, "similarity": 0.9}, {"side": 100, "similarity": 0.4}),
    ],
)
def test_what_represents_a_picture(tmp_path, better, worse):
    digest = bytes(range(32))
    first = Shown("https://a.example/1", "one", digest, **better)
    second = Shown("https://b.example/2", "two", digest, **worse)
    result = compared(tmp_path, [[second], [first]])
    assert {kept_of for _, kept_of, _ in found_in(result).values()} == {first.key.hex()}


def test_a_hash_that_is_none_hides_no_row(tmp_path):
    """A plugin may write anything under the name of the hash."""
    odd = Shown("https://a.example/", "c", b"short", sha256="ab" * 32)
    (of_part,) = compared(tmp_path, [[odd]]).values()
    assert [row["copies"] for row in of_part.values()] == [1]


def test_near_an_evaluation_set(tmp_path):
    random = Random(3)
    known, other = random.randbytes(32), random.randbytes(32)
    write_hashes(str(tmp_path / "a.parquet"), [random.randbytes(32), known])
    write_hashes(str(tmp_path / "b.parquet"), [random.randbytes(32), other, known])
    sets = BenchmarkPictures({"b": str(tmp_path / "b.parquet"), "a": str(tmp_path / "a.parquet")})
    shown = {
        "same": Shown("https://1.example/", "c", known),
        "at 31": Shown("https://2.example/", "c", changed(other, 31, random)),
        "at 32": Shown("https://3.example/", "c", changed(other, 32, random)),
        "within borders": Shown("https://4.example/", "c", random.randbytes(32), inner=known),
        "no detail": Shown("https://5.example/", "c", known, quality=10),
        "no picture": Shown("https://6.example/", "c", None, status="undecodable"),
    }
    (of_part,) = compared(tmp_path / "run", [list(shown.values())], (sets,)).values()
    assert {what: of_part[one.key]["near_benchmark"] for what, one in shown.items()} == {
        "same": "a",
        "at 31": "b",
        "at 32": None,
        "within borders": "a",
        "no detail": None,
        "no picture": None,
    }


def test_near_an_evaluation_set_by_vectors(tmp_path):
    """faiss's IndexFlatIP says which vectors are near; hashes and vectors count together."""
    faiss = pytest.importorskip("faiss")
    vectors = vectors_in_groups(4, 12, 4)
    known, kept = vectors[::2], vectors[1::2]
    files = {}
    for name, some in (("a", known[:12]), ("b", known[12:])):
        files[name] = str(tmp_path / f"{name}.parquet")
        write_hashes(files[name], [], {"m@w": list(some)})
    shown = with_vectors(kept)
    by_hash = Random(1).randbytes(32)
    assert shown[0].pdq == by_hash
    files["hashes"] = str(tmp_path / "hashes.parquet")
    write_hashes(files["hashes"], [by_hash])
    of_another_model = replace(shown[1], model="n@w", url="https://other.example/")
    sets = BenchmarkPictures(files, cosine=0.97)
    folder = tmp_path / "run"
    (of_part,) = compared(folder, [[*shown, of_another_model]], (sets,)).values()

    exact = known.astype(np.float32)
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    asked = kept.astype(np.float32)
    asked /= np.linalg.norm(asked, axis=1, keepdims=True)
    index = faiss.IndexFlatIP(exact.shape[1])
    index.add(exact)
    limits, _, rows = index.range_search(asked, 0.97)
    limits = limits.astype(int)
    near = [rows[begin:end] for begin, end in zip(limits[:-1], limits[1:], strict=True)]
    wanted = [None if not len(some) else "a" if some.min() < 12 else "b" for some in near]
    wanted[0] = wanted[0] or "hashes"
    assert [of_part[one.key]["near_benchmark"] for one in shown] == wanted
    assert {"a", "b", None} <= set(wanted)
    assert of_part[of_another_model.key]["near_benchmark"] is None


@pytest.mark.parametrize(
    ("cosine", "message"),
    [(None, "sets.x has vectors and no hashes; set cosine"), (0.9, None)],
)
def test_a_set_of_vectors_alone(tmp_path, cosine, message):
    path = str(tmp_path / "x.parquet")
    write_hashes(path, [], {"m@w": [np.array([1, 0], np.float16)]})
    sets = BenchmarkPictures({"x": path}, cosine=cosine)
    if message is None:
        sets.check_models(["m@w"])
        with pytest.raises(MissingModel, match=r"no vectors by the model n@w.*those by m@w"):
            sets.check_models(["m@w", "n@w"])
    else:
        with pytest.raises(MissingModel, match=message):
            sets.prepare()


def test_a_cosine_for_sets_without_vectors_is_refused(tmp_path):
    path = str(tmp_path / "x.parquet")
    write_hashes(path, [bytes(32)])
    with pytest.raises(MissingModel, match=r"no set has vectors.*pairsieve hashes --config"):
        BenchmarkPictures({"x": path}, cosine=0.9).prepare()


def test_the_digest_of_sets_is_that_of_what_is_compared(tmp_path):
    """Vectors that no cosine compares change nothing, so that earlier results stay."""
    one, two = (np.array(numbers, np.float16) for numbers in ([1, 0], [0, 1]))
    for name, vectors in (("x", None), ("y", {"m@w": [one]}), ("z", {"m@w": [two]})):
        write_hashes(str(tmp_path / name), [bytes(32)], vectors)

    def digest(name, **settings):
        return BenchmarkPictures({"s": str(tmp_path / name)}, **settings).prepare()

    assert digest("x") == digest("y") == digest("z")
    digests = [digest("y", cosine=0.9), digest("z", cosine=0.9), digest("y", cosine=0.8)]
    assert len({*digests, digest("x")}) == 4


@dataclass(frozen=True)
class Raising:
    name: ClassVar[str] = "raising"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs.SAMPLES
    columns: ClassVar[Columns] = {"never": pa.int32()}

    short: bool = False

    def load(self):
        def observe(part):
            if self.short:
                return {"never": [1]}
            raise LookupError("https://secret.example/")

        return observe


@pytest.mark.parametrize(("short", "error"), [(False, "LookupError"), (True, "ValueError")])
def test_a_detector_that_raises_sends_its_part_to_quarantine(tmp_path, short, error):
    shown = [Shown(f"https://{n}.example/", "c", bytes(32)) for n in range(3)]
    compared(tmp_path, [shown], (NearCopies(), Raising(short)))
    folders = SampleFolders(
        *(str(tmp_path / name) for name in ("pairs", "images", "scores", "out"))
    )
    table = read_samples("part-00000-0000", folders)
    assert table.errors == [(error,)] * 3
    assert table.cells["copies"] == [3] * 3
    assert "secret" not in str(table.scores.to_pylist())


def test_publish_reads_no_other_pairs(tmp_path):
    compared(tmp_path, [[Shown("https://a.example/", "c", bytes(32))]])
    other = written(tmp_path / "other", [[Shown("https://b.example/", "c", bytes(32))]])
    with pytest.raises(ValueError, match="are not the pairs that were scored"):
        read_samples("part-00000-0000", replace(other, compared=str(tmp_path / "out")))


def test_many_equal_hashes_are_one_before_anything_is_compared(tmp_path):
    """A thousand copies with one hash go to the bands as one hash, and to the groups as ten rows."""
    from transforms.compare.bands import SHOWN, to_bands
    from transforms.compare.pictures import name_rows, pictures_of

    shown = [
        Shown(f"https://{n}.example/{n}", f"caption {n}", bytes(range(32))) for n in range(1000)
    ]
    table = read_samples("part-00000-0000", written(tmp_path, [shown]))
    pictures = pictures_of(table, name_rows(table), 0, np.arange(1000))
    assert len(pictures) == 10
    assert pictures["urls"].sum() == 1000
    group = (("pictures", 0), [SHOWN + pictures.tobytes()] * 50)
    batches = list(to_bands(group, NearCopies(), ONE))
    assert {len(batch) for _, batch in batches} == {1 + 32}


def vectors_in_groups(seed: int, groups: int, of_each: int, dimensions: int = 16) -> np.ndarray:
    """Unit vectors, some of which lie near each other."""
    random = np.random.default_rng(seed)
    centres = np.repeat(random.normal(size=(groups, dimensions)), of_each, axis=0)
    noise = random.choice([0.02, 0.1, 0.4], size=(len(centres), 1))
    vectors = centres + random.normal(size=centres.shape) * noise
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)


def with_vectors(vectors: np.ndarray, **settings) -> list[Shown]:
    """A picture of its own for each vector: no hash is near another."""
    random = Random(1)
    return [
        Shown(f"https://{n}.example/", f"c{n}", random.randbytes(32), vector=tuple(one), **settings)
        for n, one in enumerate(vectors.tolist())
    ]


def groups_by_cosine(vectors: np.ndarray, cosine: float) -> list[frozenset[int]]:
    """Connected groups by scipy, of all pairs."""
    from scipy.sparse.csgraph import connected_components

    exact = vectors.astype(np.float32)
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    number, label = connected_components(exact @ exact.T >= cosine, directed=False)
    return sorted(
        (frozenset(np.flatnonzero(label == one).tolist()) for one in range(number)), key=sorted
    )


def groups_found(shown: Sequence[Shown], result) -> list[frozenset[int]]:
    group_of = {key: kept_of for key, (_, kept_of, _) in found_in(result).items()}
    members: dict[object, set[int]] = {}
    for number, one in enumerate(shown):
        members.setdefault(group_of[one.key], set()).add(number)
    return sorted(map(frozenset, members.values()), key=sorted)


@pytest.mark.parametrize("seed", range(3))
def test_near_vectors_within_one_cell(tmp_path, seed):
    vectors = vectors_in_groups(seed, 20, 5)
    shown = with_vectors(vectors)
    result = compared(tmp_path, [shown[::2], shown[1::2]], (NearCopies(cosine=0.9),))
    assert groups_found(shown, result) == groups_by_cosine(vectors, 0.9)


def test_vectors_are_compared_only_where_that_is_wanted(tmp_path):
    shown = with_vectors(vectors_in_groups(0, 3, 5))
    assert {copies for copies, _, _ in found_in(compared(tmp_path, [shown])).values()} == {1}


def test_vectors_of_two_models_do_not_meet(tmp_path):
    vectors = vectors_in_groups(0, 1, 2)
    shown = [*with_vectors(vectors[:1]), *with_vectors(vectors[1:], model="n@w")]
    shown[1] = replace(shown[1], url="https://other.example/", pdq=bytes(range(32)))
    result = compared(tmp_path, [shown], (NearCopies(cosine=0.5),))
    assert {copies for copies, _, _ in found_in(result).values()} == {1}


def test_cells_lose_few_pairs_and_tell_none_that_is_not_near(tmp_path, monkeypatch):
    from transforms.compare import vectors as module

    monkeypatch.setattr(module, "VECTORS_PER_CELL", 20)
    monkeypatch.setattr(module, "CENTRES_PER_PART", 10)
    vectors = vectors_in_groups(2, 100, 4)
    shown = with_vectors(vectors)
    cut = [shown[start::4] for start in range(4)]
    result = compared(tmp_path, cut, (NearCopies(cosine=0.95),))
    found, wanted = groups_found(shown, result), groups_by_cosine(vectors, 0.95)
    assert len(found) < 0.7 * len(shown)
    whole = {member: group for group in wanted for member in group}
    assert all(group <= whole[min(group)] for group in found)
    pairs, all_pairs = (
        sum(len(group) * (len(group) - 1) for group in groups) for groups in (found, wanted)
    )
    assert pairs >= 0.95 * all_pairs


def test_a_full_cell_is_compared_in_part_and_says_so(monkeypatch):
    from transforms.compare import vectors as module

    monkeypatch.setattr(module, "MOST_COMPARED", 10)
    monkeypatch.setattr(module, "ROWS_AT_ONCE", 5)
    vectors = vectors_in_groups(0, 50, 1)
    names = np.random.default_rng(0).integers(0, 256, (50, 32), dtype=np.uint8)
    batch = module._packed(names.view("V32").reshape(-1), vectors)
    (found,) = module.near_vectors((("cell", 0), [batch]), 0.99)
    assert found.left_out == sum(5 * max(0, 50 - start - 15) for start in range(0, 50, 5))


def test_concepts_are_counted_over_all_parts(tmp_path):
    """By rows that no rule drops, for each language by itself; each part is told what it names."""
    (tmp_path / "en.txt").write_text("dog\ncat\nfish\n")
    captions = [["a dog", "a dog and a cat"], ["the dog", "a cat", "nothing"], ["a fish"]]
    all_parts = [
        [Shown(f"https://{n}.example/{m}", caption, None) for m, caption in enumerate(of_part)]
        for n, of_part in enumerate(captions)
    ]
    all_parts[0].append(Shown("https://low.example/", "one more dog", None, similarity=0.1))
    detectors = (Concepts({"en": str(tmp_path / "en.txt")}),)
    for name, division in (("one", ONE), ("other", Division(7, 0))):
        result = compared(tmp_path / name, all_parts, detectors, division)
        found = {
            one.caption: tuple(zip(row["concepts"], row["concept_pairs"], strict=True))
            for of_part, shown in zip(result.values(), all_parts, strict=True)
            for one in shown
            for row in [of_part[one.key]]
        }
        assert found == {
            "a dog": (("dog", 3),),
            "a dog and a cat": (("cat", 2), ("dog", 3)),
            "one more dog": (("dog", 3),),
            "the dog": (("dog", 3),),
            "a cat": (("cat", 2),),
            "nothing": (),
            "a fish": (("fish", 1),),
        }
    assert bytes_of(tmp_path / "one") == bytes_of(tmp_path / "other")


@pytest.mark.parametrize("with_concepts", [False, True])
def test_languages_are_counted_over_all_parts(tmp_path, with_concepts):
    """By rows that no rule drops; captions without a language are one of their own."""
    (tmp_path / "en.txt").write_text("dog\n")
    languages = [["en", "de", "en", ""], ["de", "en", "fi"], [""]]
    all_parts = [
        [
            Shown(f"https://{n}.example/{m}", "a dog", None, language=code)
            for m, code in enumerate(of)
        ]
        for n, of in enumerate(languages)
    ]
    low = Shown("https://low.example/", "c", None, similarity=0.1, language="fi")
    all_parts[2].append(low)
    detectors = (LanguagePairs(), *[Concepts({"en": str(tmp_path / "en.txt")})] * with_concepts)
    rules = (Similarity({"en": 0.3, "multi": 0.3, "nolang": 0.3}),)
    wanted = {"en": 3, "de": 2, "fi": 1, "": 2}
    for name, division in (("one", ONE), ("other", Division(7, 0))):
        result = compared(tmp_path / name, all_parts, detectors, division, rules)
        for of_part, shown in zip(result.values(), all_parts, strict=True):
            for one in shown:
                row = of_part[one.key]
                assert row["language_pairs"] == wanted[one.language]
                if with_concepts:
                    is_found = one.language == "en"
                    assert row["concepts"] == (["dog"] if is_found else [])
                    assert row["concept_pairs"] == ([3] if is_found else [])
    assert bytes_of(tmp_path / "one") == bytes_of(tmp_path / "other")
