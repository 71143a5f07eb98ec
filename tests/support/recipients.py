"""Copies of a dataset as those who use it hold them, made by their tools."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

from tests.support.paths import REPOSITORY
from tests.support.peers import PEERS, run_peer

IMG2DATASET = """
import sys, img2dataset
img2dataset.download(url_list=sys.argv[1], input_format='parquet', url_col='URL',
    caption_col='TEXT', output_folder=sys.argv[2], output_format=sys.argv[3],
    save_additional_columns=['similarity'], processes_count=1, thread_count=4, image_size=64,
    number_sample_per_shard=20, enable_wandb=False, compute_hash='sha256')
"""
# clip-retrieval's own writer, without the models that importing the package asks for.
CLIP_RETRIEVAL = """
import sys, glob, json, zipfile, tarfile
import numpy as np
(wheel,) = glob.glob(sys.argv[3])
names = {'__name__': 'writer'}
exec(zipfile.ZipFile(wheel).read('clip_retrieval/clip_inference/writer.py'), names)
for number, path in enumerate(sorted(glob.glob(sys.argv[1] + '/*.tar'))):
    sink = names['OutputSink'](sys.argv[2], True, True, True, number, 10)
    archive = tarfile.open(path)
    members = [m for m in archive.getmembers() if m.name.endswith('.json')]
    texts = [archive.extractfile(m).read().decode() for m in members]
    rng = np.random.default_rng(number)
    vectors = rng.normal(size=(len(texts), 16)).astype('float16')
    sink.add({'image_embs': vectors, 'text_embs': vectors,
        'image_filename': [m.name.partition('.')[0] for m in members],
        'text': [json.loads(t)['caption'] for t in texts], 'metadata': texts})
    sink.flush()
"""
AUTOFAISS = """
import sys
from autofaiss import build_index
build_index(sys.argv[1] + '/img_emb', index_path=sys.argv[1] + '/image.index',
    index_infos_path=sys.argv[1] + '/image.json', index_key='Flat')
"""
WHEEL = REPOSITORY / ".tools" / "clip_retrieval-*.whl"


def is_installed() -> bool:
    """Whether the tools are there; .ci/run installs them."""
    return PEERS.exists() and bool(list(WHEEL.parent.glob(WHEEL.name)))


def img2dataset(shards: Path, out: Path, output_format: str) -> None:
    """Download the pictures of shards, as `files` or `webdataset`."""
    run_peer(IMG2DATASET, str(shards), str(out), output_format)


def clip_retrieval(webdataset: Path, out: Path) -> None:
    """Vectors and metadata of webdataset's tar files, as clip-retrieval writes them."""
    run_peer(CLIP_RETRIEVAL, str(webdataset), str(out), str(WHEEL))


def with_index(folder: Path) -> None:
    """Put an index over clip-retrieval's vectors, and the metadata as Arrow, beside them."""
    run_peer(AUTOFAISS, str(folder))
    (folder / "arrow").mkdir()
    for path in sorted(folder.glob("metadata/*.parquet")):
        table = pq.read_table(path)
        with pa.ipc.new_file(folder / "arrow" / f"{path.stem}.arrow", table.schema) as writer:
            writer.write_table(table)


def texts_of(folder: Path) -> Iterator[str]:
    """Everything that a copy says, file by file, out of tar files and tables."""
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".parquet":
            yield json.dumps(pq.read_table(path).to_pylist(), default=str)
        elif path.suffix == ".arrow":
            yield json.dumps(pa.ipc.open_file(path).read_all().to_pylist(), default=str)
        elif path.suffix == ".tar":
            with tarfile.open(path) as archive:
                for member in archive:
                    content = archive.extractfile(member)
                    yield content.read().decode("latin-1") if content else ""
        elif path.is_file():
            yield path.read_bytes().decode("latin-1")


def samples_of(folder: Path) -> dict[str, dict[str, Any]]:
    """img2dataset's samples: URL -> what its JSON says, of tar files and of folders."""
    records: list[Mapping[str, Any]] = []
    for path in sorted(folder.rglob("*.tar")):
        with tarfile.open(path) as archive:
            for member in archive:
                content = archive.extractfile(member)
                if member.name.endswith(".json") and content:
                    records.append(json.loads(content.read()))

    records += [json.loads(path.read_text()) for path in sorted(folder.glob("*/*.json"))]
    return {f"{record['url']} {record['caption']}": dict(record) for record in records}


def vectors_by_row(folder: Path, kind: str) -> dict[str, list[float]]:
    """clip-retrieval's vectors: picture -> vector, by the numbers of rows."""
    found = {}
    for path in sorted(folder.glob("metadata/*.parquet")):
        vectors = np.load(str(path).replace("metadata/metadata", f"{kind}/{kind}")[:-8] + ".npy")
        names = pq.read_table(path)["image_path"].to_pylist()
        assert len(names) == len(vectors)
        found.update({name: vector.tolist() for name, vector in zip(names, vectors, strict=True)})
    return found
