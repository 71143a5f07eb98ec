"""Makes Croissant metadata (MLCommons, 1.1), which tells machines what the dataset holds.

It follows from the manifest, the table of columns and the times of the rows. The format:
https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html
The terms `rai:` say how the data came about:
https://docs.mlcommons.org/croissant/docs/croissant-rai-spec.html
The terms `prov:` are those of W3C's PROV-O, as section "Provenance Representation" of the format
uses them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from pairsieve.records.column import Column
from pairsieve.records.manifest import Manifest
from pairsieve.records.row import published_columns
from pipeline.dataset.card import about, summary_of
from pipeline.dataset.period import Period
from pipeline.dataset.responsible import provenance, rai_terms

CROISSANT = "metadata.json"
CONFORMS_TO = ("http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0")
# Croissant requires these; they say that there is none.
NO_URL = "https://example.org/not-published-yet"
NO_CREATOR = "not named by its publisher"
NO_DATE = "1970-01-01"
NO_PERIOD = Period()
NO_LICENCE = "https://spdx.org/licenses/NOASSERTION"
_TERMS = (
    "annotation", "arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "excludes",
    "extract", "field", "fileObject", "fileProperty", "fileSet", "format", "includes", "isArray",
    "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "readLines", "recordSet",
    "references", "regex", "repeated", "replace", "samplingRate", "sdVersion", "separator",
    "source", "subField", "transform", "unArchive", "value",
)  # fmt: skip
CONTEXT: Mapping[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "prov": "http://www.w3.org/ns/prov#",
    "conformsTo": "dct:conformsTo",
    **{term: f"cr:{term}" for term in _TERMS},
    # In 1.1 both may be given in several languages.
    "name": {"@container": "@language"},
    "description": {"@container": "@language"},
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


def croissant(
    manifest: Manifest, columns: Sequence[str], period: Period = NO_PERIOD
) -> dict[str, Any]:
    """The metadata of a dataset whose shards have these columns; each subset is a record set."""
    publisher = about(manifest)
    known = published_columns(columns)
    creator = {
        "@type": "sc:Organization",
        "name": publisher["creator"] or NO_CREATOR,
        **({"url": publisher["url"]} if publisher["url"] else {}),
    }
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "name": manifest.name,
        "description": summary_of(manifest),
        "conformsTo": list(CONFORMS_TO),
        # Croissant recommends semantic versions.
        "version": f"{manifest.version}.0.0",
        "url": publisher["url"] or NO_URL,
        "license": publisher["licence"] or NO_LICENCE,
        "creator": creator,
        "publisher": creator,
        # Required. A dataset is not published before its newest row.
        "datePublished": publisher["date"] or period.last_day or NO_DATE,
        "citeAs": _citation(manifest, publisher["date"] or period.last_day or NO_DATE),
        "keywords": ["image-text", "links", "pairsieve"],
        **rai_terms(manifest, known, period),
        **provenance(manifest, period),
        "distribution": [_file_set(subset) for subset in manifest.subsets],
        "recordSet": [_record_set(subset, known) for subset in manifest.subsets],
    }


def _citation(manifest: Manifest, date: str) -> str:
    """BibTeX of the dataset itself."""
    publisher = about(manifest)
    # Braces would end the fields.
    name = re.sub(r"[{}\\]", "", manifest.name)
    author = re.sub(r"[{}\\]", "", publisher["creator"] or NO_CREATOR)
    return (
        f"@misc{{{re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-') or 'dataset'}, "
        f"title = {{{name}, version {manifest.version}}}, author = {{{{{author}}}}}, "
        f"year = {{{date[:4]}}}, url = {{{publisher['url'] or NO_URL}}}}}"
    )


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
    is_list = pa.types.is_list(column.type)
    value_type = column.type.value_type if is_list else column.type
    unit = f" [{column.unit}]" if column.unit else ""
    return {
        "@type": "cr:Field",
        "@id": f"{subset}/{column.name}",
        "name": column.name,
        "description": column.meaning + unit,
        "dataType": _TYPES[value_type],
        # An array of one dimension, of any length.
        **({"isArray": True, "arrayShape": "-1"} if is_list else {}),
        "prov:wasGeneratedBy": {"@type": "prov:Activity", "prov:label": column.source},
        "source": {"fileSet": {"@id": f"shards-{subset}"}, "extract": {"column": column.name}},
    }
