"""A made-up dataset with vectors, for the benchmarks of the index and of the search page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pairsieve.records.manifest import ListedFile, Manifest
from pairsieve.search.sources import Vectors

SIZE = 512  # dimensions of a vector
INNER = 24  # dimensions of the surface near which vectors lie
NOISE = 0.3  # length of the distance to the surface, beside vectors of length 1
SHARDS = 16
WORDS = 60_000
WORDS_PER_CAPTION = 9
PDQ_DIGITS = 64
CONSONANTS, VOWELS, ENDINGS = "bcdfghklmnprstvwz", "aeiou", ("", "s", "ed", "ing")


def make_dataset(folder: Path, rows: int) -> Manifest:
    """Write shards and the vectors beside them; return the manifest."""
    random = np.random.default_rng(0)
    surface = random.normal(size=(INNER, SIZE)).astype(np.float32)
    listed = []
    for shard, numbers in enumerate(np.array_split(np.arange(rows), SHARDS)):
        on_surface = random.normal(size=(len(numbers), INNER)).astype(np.float32) @ surface
        vectors = near(unit(on_surface), random, NOISE)
        name = f"en/part-{shard:05d}-of-{SHARDS:05d}"
        table_path = folder / f"dataset/{name}.parquet"
        vectors_path = folder / f"embeddings/{name}.npy"
        for path in (table_path, vectors_path):
            path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(_table(numbers, random), table_path, compression="zstd")
        np.save(vectors_path, vectors.astype(np.float16))
        for path in (table_path, vectors_path):
            in_dataset = str(path.relative_to(folder))
            # The shard's number stands for its sha256.
            file = ListedFile(in_dataset, len(numbers), path.stat().st_size, str(shard))
            listed.append(file)
    return Manifest(
        name="made up",
        files=listed,
        models={"m": {}},
        config={"score": {"routes": {"en": "m"}}},
    )


def _table(numbers: NDArray[np.int64], random: np.random.Generator) -> pa.Table:
    size = (len(numbers), WORDS_PER_CAPTION)
    captions = random.choice(WORDS, size=size, p=word_shares())
    pdq = random.bytes(PDQ_DIGITS // 2 * len(numbers)).hex()
    urls = []
    page_urls = []
    for number in numbers:
        host = f"host{number % 20_011}.example"
        urls.append(f"https://{host}/pictures/{number}.jpg")
        page_urls.append(f"https://{host}/page/{number // 4}.html")
    names = [word_name(word) for word in range(WORDS)]
    return pa.table(
        {
            "URL": urls,
            "TEXT": [" ".join(names[word] for word in caption) for caption in captions],
            "page_url": page_urls,
            "similarity": random.uniform(0.28, 0.5, len(numbers)),
            "LANGUAGE": ["en"] * len(numbers),
            "sha256": [f"{number:064x}" for number in numbers],
            "pdq": [
                pdq[PDQ_DIGITS * place : PDQ_DIGITS * (place + 1)] for place in range(len(numbers))
            ],
            "key": [f"{number:032x}" for number in numbers],
        }
    )


def word_name(number: int) -> str:
    """Return a made-up word. Four in a row have one stem, as words of a language have."""
    stem, ending = divmod(number, len(ENDINGS))
    letters: list[str] = []
    while stem or not letters:
        stem, consonant = divmod(stem, len(CONSONANTS))
        stem, vowel = divmod(stem, len(VOWELS))
        letters.append(CONSONANTS[consonant] + VOWELS[vowel])
    return f"{''.join(letters)}nt{ENDINGS[ending]}"


def word_shares() -> NDArray[np.float64]:
    """Return how often each word occurs, by Zipf's law."""
    weights = 1 / np.arange(1, WORDS + 1)
    return np.asarray(weights / weights.sum())


def near(vectors: Vectors, random: np.random.Generator, distance: float) -> Vectors:
    """Return vectors of length 1 at about a distance from some others."""
    noise = random.normal(size=vectors.shape).astype(np.float32)
    return unit(vectors + noise * distance / vectors.shape[1] ** 0.5)


def unit(rows: Vectors) -> Vectors:
    """Scale rows to length 1."""
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)
