"""A dataset of hostile rows, indexed and served."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pairsieve.explore.app import make_app
from pairsieve.explore.limits import RateLimits
from pairsieve.explore.settings import Settings
from pairsieve.images.processes import Processes
from pairsieve.records.manifest import parse_manifest
from pairsieve.search.index import build
from pairsieve.search.vectors import VectorSettings

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>"
ROWS = [
    {
        "URL": "https://a.example/cat.jpg",
        "TEXT": "a cat on a mat",
        "similarity": 0.31,
        "page_url": "https://a.example/page",
        "face_count": 0,
        "sha256": "a" * 64,
    },
    {
        "URL": "javascript:alert(3)",
        "TEXT": HOSTILE,
        "similarity": 0.32,
        "page_url": "javascript:alert(4)",
        "sha256": "b" * 64,
    },
    {
        "URL": "https://b.example/face.jpg",
        "TEXT": "a cat \u202egpj.exe",
        "similarity": 0.33,
        "face_count": 1,
        "sha256": "c" * 64,
    },
    {
        "URL": "https://b.example/long.jpg",
        "TEXT": "a dog " + "very " * 395,
        "similarity": 0.34,
        "tags": ["medical_words"],
        "sha256": "d" * 64,
    },
    *(
        {
            "URL": f"https://c.example/{n}.jpg",
            "TEXT": f"bird number {n}",
            "similarity": 0.3,
            "sha256": f"{n:064x}",
        }
        for n in range(60)
    ),
]

HOSTS = frozenset({"testserver", "localhost", "127.0.0.1"})


@pytest.fixture(scope="session")
def dataset(tmp_path_factory):
    return indexed(tmp_path_factory.mktemp("hostile") / "out", ROWS)


def indexed(folder, rows):
    """Write a dataset of some rows and its index; return its folder."""
    path = folder / "dataset" / "en" / "part-00000-of-00001.parquet"
    path.parent.mkdir(parents=True)
    names = {name: None for row in rows for name in row}
    table = pa.Table.from_pylist([{**names, **row} for row in rows])
    pq.write_table(table, path)
    listed = [
        {
            "path": "dataset/en/part-00000-of-00001.parquet",
            "rows": table.num_rows,
            "bytes": 1,
            "sha256": "0" * 64,
        }
    ]
    manifest = {
        "pairsieve": "0",
        "name": "<b>hostile</b>",
        "version": 1,
        "files": listed,
        "models": {},
    }
    text = json.dumps(manifest)
    (folder / "manifest.json").write_text(text)
    build(str(folder), parse_manifest(text), f"{folder}.index", VectorSettings())
    return folder


@pytest.fixture
def app(dataset, tmp_path):
    return served(dataset, tmp_path)


@pytest.fixture(scope="session")
def processes():
    found = Processes(1)
    yield found
    found.close()


@pytest.fixture
def served(dataset, tmp_path, processes):
    def serve(publisher=None, read_preview=None, **changes):
        limits = RateLimits(*["100000/minute"] * 4)
        given = {
            "name": "<b>hostile</b>",
            "dataset": str(dataset),
            "index": f"{dataset}.index",
            "queue": str(tmp_path / "queue"),
            "hosts": HOSTS,
        }
        return make_app(
            Settings(**{**given, "secret": "s" * 32, "limits": limits, **changes}),
            {},
            processes,
            publisher,
            read_preview,
        )

    return serve
