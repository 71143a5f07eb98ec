"""Makes Croissant metadata (MLCommons, 1.0), which tells machines what the dataset holds.

It follows from the manifest and the table of columns. The format:
https://docs.mlcommons.org/croissant/docs/croissant-spec.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from pairsieve.records.column import Column
from pairsieve.records.manifest import Manifest
from pairsieve.records.row import published_columns
from pipeline.dataset.card import about, summary_of

CROISSANT = "metadata.json"
CONFORMS_TO = "http://mlcommons.org/croissant/1.0"
# Croissant requires both; these say that there is none.
NO_URL = "https://example.org/not-published-yet"
NO_LICENCE = "https://spdx.org/licenses/NOASSERTION"
_TERMS = (
    "citeAs", "column", "data", "equivalentProperty", "examples", "extract", "field",
    "fileProperty", "fileObject", "fileSet", "format",
    "includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet",
    "references", "regex", "repeated",
    "replace", "samplingRate", "separator", "source", "subField", "transform",
)  # fmt: skip
CONTEXT: Mapping[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    **{term: f"cr:{term}" for term in _TERMS},
    "data": {"@id": "cr:data", "@type": "@json"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
}
_TYPES: Mapping[pa.DataType, str] = {
    pa.string(): "sc:Text",
    pa.int32(): "cr:Int32",
    pa.int64(): "cr:Int64",
    pa.float16(): "cr:Float16",
    pa.float32(): "cr:Float32",
    pa.float64(): "cr:Float64",
}


def croissant(manifest: Manifest, columns: Sequence[str]) -> dict[str, Any]:
    """The metadata of a dataset whose shards have these columns; each subset is a record set."""
    publisher = about(manifest)
    known = published_columns(columns)
    personal = [column for column in known if column.privacy != "neutral"]
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "name": manifest.name,
        "description": summary_of(manifest),
        "conformsTo": CONFORMS_TO,
        "version": f"{manifest.version}.0.0",
        "url": publisher["url"] or NO_URL,
        "license": publisher["licence"] or NO_LICENCE,
        "rai:personalSensitiveInformation": [
            f"{column.name} ({column.privacy}): {column.meaning}" for column in personal
        ],
        "distribution": [_file_set(subset) for subset in manifest.subsets],
        "recordSet": [_record_set(subset, known) for subset in manifest.subsets],
    }


def _file_set(subset: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": f"shards-{subset}",
        "name": f"shards-{subset}",
        "description": f"Shards of {subset}; manifest.json has the rows and the sha256 of each.",
        "encodingFormat": "application/x-parquet",
        "includes": f"dataset/{subset}/*.parquet",
    }


def _record_set(subset: str, columns: Sequence[Column]) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": subset,
        "name": subset,
        "description": "One row for each pair of an image URL and its caption.",
        "key": {"@id": f"{subset}/{columns[0].name}"},
        "field": [_field(subset, column) for column in columns],
    }


def _field(subset: str, column: Column) -> dict[str, Any]:
    # Croissant has no type for lists: a field is "repeated" instead.
    is_list = pa.types.is_list(column.type)
    value_type = column.type.value_type if is_list else column.type
    unit = f" [{column.unit}]" if column.unit else ""
    return {
        "@type": "cr:Field",
        "@id": f"{subset}/{column.name}",
        "name": column.name,
        "description": column.meaning + unit,
        "dataType": _TYPES[value_type],
        **({"repeated": True} if is_list else {}),
        "source": {"fileSet": {"@id": f"shards-{subset}"}, "extract": {"column": column.name}},
    }
