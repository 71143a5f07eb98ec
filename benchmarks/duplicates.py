"""Finds planted copies of pictures among others, and near hashes among many; beside faiss.

    python -m benchmarks.duplicates [--quick] [--planted N] [--others N] [--hashes N] [--only PART]
                                    [--config FILE]

Copies: some pictures are each changed in eight ways and put among many others. All pictures are
noise with the spectrum of photographs (amplitude 1/f), in colour. Planted ones have sides of 256 to
640 pixels, and the others 96, which takes a twentieth of the time; the spread of their hashes is
the same. They are hashed as the flow does, and go through the steps of the stage `compare`. Recall is
the share of changed copies that are in the group of their original; precision is the share of pairs
in groups that are copies of one picture.

Mirrored: how far the hash that is computed from a hash lies off that of the mirrored picture, by
the size of the picture.

Vectors: what `cosine` finds of the planted copies, by the models of --config. The demonstration
model, which it takes without, was trained on drawn shapes: noise looks alike to it, and its figures
say nothing of a real model.

Hashes: random ones go through the same steps on two workers. faiss's IndexBinaryMultiHash has the
same bands and promises the same pairs (16 bands of 16 bits, one bit may differ); it answers a
sample of the hashes with two threads.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Iterator, Mapping
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import apache_beam as beam
import numpy as np
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from PIL import Image, ImageOps

from benchmarks.machine import Goals, Memory, cpu, print_goals
from benchmarks.picture_changes import WHITE, bordered, cropped, encoded, scaled, written
from filters.duplicates.detectors import NearCopies
from pairsieve.images.forest import Forest, bytes_of, names_of
from pairsieve.images.pdq import (
    ALIKE,
    GOOD_QUALITY,
    distance,
    orientations,
    pdq,
    pdq_trimmed,
)
from pairsieve.images.prepare import Pixels, squared
from pipeline.orchestrate.config_file import CONFIGS
from transforms.compare.bands import SHOWN, NearPictures, by_bucket
from transforms.compare.compare import Connect, FindNear
from transforms.compare.pictures import PICTURE, Pictures
from transforms.compare.settings import PICTURES, CompareSettings, Division
from transforms.plumbing.spill import Spill
from transforms.rules import RuleSettings
from transforms.samples import SampleFolders

CHANGES = {
    "resized to a half": lambda image: scaled(image, 0.5, 0.5),
    "JPEG, quality 50": lambda image: encoded(image, "JPEG", 50),
    "WebP, quality 50": lambda image: encoded(image, "WEBP", 50),
    "crop, 5 %": lambda image: cropped(image, 0.05),
    "mirrored": ImageOps.mirror,
    "white border, 5 %": lambda image: bordered(image, 0.05, WHITE),
    "greyscale": lambda image: ImageOps.grayscale(image).convert("RGB"),
    "watermark": written,
}
TURNED = ("mirrored",)
"""Changes that only `orientations` sees through."""
BEYOND_HASHES = ("crop, 5 %",)
"""Changes that PDQ at 31 bits mostly misses (benchmarks/picture_changes.py)."""
SIDES = (256, 640)
"""Pixels of the sides of planted pictures; score shows detectors 640 at most."""
OTHER_SIDE = 96
MIRRORED_SIZES = ((256, 256), (320, 320), (384, 384), (500, 333), (512, 512), (640, 480))
VECTOR_PICTURES = 300
JOINED_BY_CHANCE = 0.001
"""The share of pairs of different pictures that the cosine for the table of vectors joins."""
BATCH = 100_000
WORKERS = 2
FAISS_ROWS = 10_000


def noise_picture(seed: int, size: tuple[int, int]) -> Image.Image:
    """A picture whose amplitudes fall with the frequency, as those of photographs do.

    `size` is width and height.
    """
    random = np.random.default_rng(seed)
    shape = size[::-1]
    down, across = np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None, :]
    frequency = np.hypot(down, across)
    frequency[0, 0] = 1
    channels = []
    shared = random.normal(size=shape)
    for _ in range(3):
        white = shared + 0.5 * random.normal(size=shape)
        channel = np.fft.irfft2(np.fft.rfft2(white) / frequency, s=shape)
        low, high = np.percentile(channel, (1, 99))
        channels.append(np.clip(255 * (channel - low) / (high - low), 0, 255))
    return Image.fromarray(np.stack(channels, axis=2).astype(np.uint8))


def planted_picture(seed: int) -> Image.Image:
    """A picture with sides as those of pictures that detectors see."""
    width, height = np.random.default_rng([seed, 1]).integers(*SIDES, 2, endpoint=True).tolist()
    return noise_picture(seed, (width, height))


def hashed(image: Image.Image) -> tuple[bytes, bytes | None]:
    """The hash of a picture, and that without borders; as the detector `picture_hash` gives them."""
    bits, quality = pdq(image)
    return (bits if quality >= GOOD_QUALITY else bytes(32)), pdq_trimmed(image)


def with_changes(seed: int) -> list[tuple[bytes, bytes | None]]:
    """The hashes of a picture and of its changed copies."""
    image = planted_picture(seed)
    return [hashed(image), *(hashed(change(image)) for change in CHANGES.values())]


def alone(seed: int) -> list[tuple[bytes, bytes | None]]:
    """The hashes of one picture."""
    return [hashed(noise_picture(seed, (OTHER_SIDE, OTHER_SIDE)))]


def rows_of(hashes: list[tuple[bytes, bytes | None]]) -> Pictures:
    """Hashes as the stage has pictures."""
    rows = np.zeros(len(hashes), PICTURE)
    rows["name"] = np.frombuffer(b"".join(bits for bits, _ in hashes), "V32")
    rows["inner"] = np.frombuffer(b"".join(inner or bytes(32) for _, inner in hashes), "V32")
    rows["has_hash"] = True
    rows["has_inner"] = [inner is not None for _, inner in hashes]
    return rows


def random_rows(batch: int, sizes: Mapping[int, int]) -> Pictures:
    """Random hashes; a hundredth of each batch are copies of others, with up to 31 other bits."""
    random = np.random.default_rng(batch)
    hashes = random.integers(0, 256, (sizes[batch], 32), dtype=np.uint8)
    copies = len(hashes) // 100
    bits = np.unpackbits(hashes[:copies], axis=1)
    for row in bits:
        row[random.choice(256, random.integers(1, ALIKE + 1), replace=False)] ^= 1
    hashes[-copies:] = np.packbits(bits, axis=1)
    rows = np.zeros(len(hashes), PICTURE)
    rows["name"], rows["has_hash"] = names_of(hashes), True
    return rows


def keep(found: NearPictures, path: str) -> None:
    """Leave the forest in a file."""
    Path(path).write_bytes(found.forest)


def near_groups(make: partial[Pictures], batches: int, number: int, copies: NearCopies) -> Forest:
    """Send pictures through the steps of the stage on two workers."""
    with tempfile.TemporaryDirectory() as folder:
        nowhere = SampleFolders("", "", "")
        division = Division.of(number)
        settings = CompareSettings(
            [],
            nowhere,
            folder,
            copies,
            (),
            RuleSettings((), (), b"", 1),
            division,
            None,
            number,
            folder,
        )

        def keyed(batch: int) -> Iterator[tuple[tuple[str, int], bytes]]:
            rows = make(batch)
            for key, content in by_bucket(PICTURES, rows, rows["name"], division.buckets):
                yield key, SHOWN + content

        options = PipelineOptions(
            ["--direct_running_mode=multi_processing", f"--direct_num_workers={WORKERS}"]
        )
        with beam.Pipeline(runner=FnApiRunner(), options=options) as pipeline:
            pictures = pipeline | beam.Create(range(batches)) | beam.FlatMap(keyed)
            pictures = pictures | "Spill" >> beam.ParDo(Spill(folder, bool))
            found = pictures | FindNear(settings, copies) | Connect(settings)
            _ = found | beam.Map(keep, f"{folder}/forest")
        return np.frombuffer(Path(f"{folder}/forest").read_bytes(), "V32").reshape(-1, 2)


def of_batch(batch: int, batches: list[Pictures]) -> Pictures:
    """One of some batches."""
    return batches[batch]


def measure_copies(planted: int, others: int, goals: Goals) -> None:
    """Plant changed copies among other pictures, and print what is found."""
    started = time.perf_counter()
    with get_context("spawn").Pool(WORKERS) as pool:
        copied = pool.map(with_changes, range(planted), chunksize=16)
        rest = pool.map(alone, range(planted, planted + others), chunksize=64)
    flat = [one for of_picture in (*copied, *rest) for one in of_picture]
    rows = rows_of(flat)
    origin = np.repeat(np.arange(planted + others), [len(one) for one in (*copied, *rest)])
    hashing_s = time.perf_counter() - started
    print(
        f"{len(rows):,} pictures, {planted:,} of them with {len(CHANGES)} copies each; hashed in {hashing_s:.0f} s"
    )
    print("| change | recall, upright | recall, all orientations |\n|---|---|---|")
    recalls = {}
    for turns in (False, True):
        batches = np.array_split(rows, 4)
        make = partial(of_batch, batches=batches)
        began = time.perf_counter()
        forest = near_groups(make, 4, len(rows), NearCopies(orientations=turns))
        seconds = time.perf_counter() - began
        group = groups_of(rows, forest)
        recalls[turns] = recall_by_change(group, planted)
        precision = precision_of(group, origin)
        name = "turned" if turns else "upright"
        goals[f"precision_{name}"] = (precision, ">=", 0.999)
        print(f"<!-- {name}: {seconds:.1f} s -->")
    for change in CHANGES:
        print(f"| {change} | {recalls[False][change]:.3f} | {recalls[True][change]:.3f} |")
        if change not in BEYOND_HASHES:
            recall = recalls[change in TURNED][change]
            goals[f"recall_{change.split(',')[0].replace(' ', '_')}"] = (recall, ">=", 0.95)


def measure_mirrored(pictures: int) -> None:
    """Print how far hashes that are computed from hashes lie off, by the size of pictures."""
    print("| picture | bits off, median | most | within 31 bits |\n|---|---|---|---|")
    for size in MIRRORED_SIZES:
        bits = []
        for seed in range(pictures):
            image = noise_picture(seed, size)
            mirrored = pdq(ImageOps.mirror(image))[0]
            bits.append(min(distance(one, mirrored) for one in orientations(pdq(image)[0])))
        share = np.mean(np.array(bits) <= ALIKE)
        print(f"| {size[0]} x {size[1]} | {np.median(bits):.0f} | {max(bits)} | {share:.2f} |")


def measure_vectors(pictures: int, config: str) -> None:
    """Print what vectors find of changed copies, by each model of a config."""
    from pipeline.dataset.encoders import load_all_encoders
    from pipeline.load_config import load_config

    for encoder in load_all_encoders(load_config(config)).values():
        originals: list[Pixels] = []
        copies: dict[str, list[Pixels]] = {change: [] for change in CHANGES}
        for seed in range(pictures):
            image = planted_picture(seed)
            originals.append(np.asarray(squared(image, encoder.square)))
            for change, make in CHANGES.items():
                copies[change].append(np.asarray(squared(make(image), encoder.square)))
        vectors = encoder.pictures(originals)
        different = (vectors @ vectors.T)[np.triu_indices(len(vectors), 1)]
        cosine = float(np.quantile(different, 1 - JOINED_BY_CHANCE))
        print(
            f"Vectors by {encoder.identity}, {pictures} pictures: one pair of different ones in "
            f"{1 / JOINED_BY_CHANCE:,.0f} has a cosine above {cosine:.4f}; the median is "
            f"{np.median(different):.4f}"
        )
        print("| change | cosine to the original, median | above | nearest of all |")
        print("|---|---|---|---|")
        for change, changed in copies.items():
            cosines = encoder.pictures(changed) @ vectors.T
            own = np.diag(cosines)
            is_nearest = cosines.argmax(axis=1) == np.arange(len(own))
            print(
                f"| {change} | {np.median(own):.4f} | {(own > cosine).mean():.3f} | "
                f"{is_nearest.mean():.3f} |"
            )


def groups_of(rows: Pictures, forest: Forest) -> np.ndarray:
    """The number of each row's group."""
    roots = dict(zip(forest[:, 0].tolist(), forest[:, 1].tolist(), strict=True))
    names = [roots.get(name, name) for name in rows["name"].tolist()]
    _, number_of = np.unique(np.array(names, "V32"), return_inverse=True)
    return number_of.reshape(-1)


def recall_by_change(group: np.ndarray, planted: int) -> dict[str, float]:
    """The share of copies that are in the group of their original."""
    of_copies = group[: planted * (len(CHANGES) + 1)].reshape(planted, -1)
    found = of_copies[:, 1:] == of_copies[:, :1]
    return dict(zip(CHANGES, found.mean(axis=0).tolist(), strict=True))


def precision_of(group: np.ndarray, origin: np.ndarray) -> float:
    """The share of pairs of rows in one group that come from one picture."""
    in_group = np.bincount(group)
    _, in_both = np.unique(np.stack([group, origin]), axis=1, return_counts=True)
    pairs = _pairs_in(in_group)
    return _pairs_in(in_both) / pairs if pairs else 1.0


def _pairs_in(sizes: np.ndarray) -> int:
    """The ordered pairs of different rows in groups of these sizes."""
    return int((sizes * (sizes - 1)).sum())


def measure_hashes(number: int, goals: Goals) -> None:
    """Find near hashes among many, and let faiss answer a sample."""
    batches = -(-number // BATCH)
    sizes = {batch: min(BATCH, number - batch * BATCH) for batch in range(batches)}
    make = partial(random_rows, sizes=sizes)
    with Memory() as memory:
        began, cpu_before = time.perf_counter(), cpu_s()
        forest = near_groups(make, batches, number, NearCopies())
        seconds, used_s = time.perf_counter() - began, cpu_s() - cpu_before
    planted = sum(size // 100 for size in sizes.values())
    rate = number / seconds
    print(
        f"{number:,} hashes: {seconds:.0f} s, of them {used_s:.0f} s of a core at work; {rate:,.0f} rows/s, {len(forest):,} of {planted:,} planted copies; {1e6 * used_s / number:,.0f} us of a core for a row; {memory.most / 1e9:.1f} GB in all processes"
    )
    peer = faiss_rate(make, batches)
    print(f"faiss IndexBinaryMultiHash, the same pairs, {WORKERS} threads: {peer:,.0f} rows/s")
    goals["planted_pairs"] = (len(forest) / planted, ">=", 1.0)
    goals["rate_of_faiss"] = (rate / peer, ">=", 1.0)
    goals["gb"] = (memory.most / 1e9, "<=", 12.0)


def cpu_s() -> float:
    """Seconds of a core that this process and its ended children have used.

    On a busy machine they say more than the time that passed.
    """
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def faiss_rate(make: partial[Pictures], batches: int) -> float:
    """Hashes that faiss answers in a second, beside all hashes in its index."""
    import faiss

    faiss.omp_set_num_threads(WORKERS)
    index = faiss.IndexBinaryMultiHash(256, 16, 16)
    index.nflip = 1
    for batch in range(batches):
        index.add(bytes_of(make(batch)["name"]))
    asked = bytes_of(make(0)["name"])[-min(FAISS_ROWS, BATCH) :]
    began, cpu_before = time.perf_counter(), cpu_s()
    rows = 0
    for part in np.array_split(asked, 1000):
        index.range_search(np.ascontiguousarray(part), ALIKE + 1)
        rows += len(part)
        if time.perf_counter() - began > 30:
            break
    print(f"faiss: {1e6 * (cpu_s() - cpu_before) / rows:,.0f} us of a core for a row")
    return rows / (time.perf_counter() - began)


def main() -> None:
    """Measure, and print tables and goals."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer pictures and hashes")
    parser.add_argument("--planted", type=int, help="pictures with copies (default: 3,000)")
    parser.add_argument("--others", type=int, help="pictures without (default: 197,000)")
    parser.add_argument("--hashes", type=int, help="how many (default: 10 million)")
    parser.add_argument(
        "--only", choices=("copies", "mirrored", "vectors", "hashes"), help="one of the parts"
    )
    demo = str(CONFIGS / "demo.yaml")
    parser.add_argument("--config", default=demo, help="whose models make vectors (default: demo)")
    options = parser.parse_args()
    goals: Goals = {}
    print(cpu())
    if options.only in (None, "copies"):
        planted, others = (50, 500) if options.quick else (3000, 200_000 - 3000)
        measure_copies(options.planted or planted, options.others or others, goals)
    if options.only in (None, "mirrored"):
        measure_mirrored(10 if options.quick else 100)
    if options.only in (None, "vectors"):
        measure_vectors(20 if options.quick else VECTOR_PICTURES, options.config)
    if options.only in (None, "hashes"):
        measure_hashes(options.hashes or (100_000 if options.quick else 10_000_000), goals)
    print_goals(goals)


if __name__ == "__main__":
    main()
