"""A manifest is checked once when it is read, and written back as it was."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairsieve.records.manifest import (
    KEYS_OF_A_COPY,
    KEYS_OF_A_RUN,
    BadManifest,
    ListedErasure,
    ListedFile,
    Manifest,
    is_from_pairsieve,
    parse_manifest,
)
from pairsieve.records.outcome import UnitCounts

FILE = {"path": "dataset/en/part-0.parquet", "rows": 2, "bytes": 9, "sha256": "ab"}
ERASURE = {"version": 2, "requests": 1, "rows": 1, "shards": 1, "keys": ["k"]}
BALANCE = {"entered": 3, "kept": 2, "dropped": {"r": 1}, "quarantined": {}}
WHOLE = {
    "pairsieve": "0.9",
    "revision": "c0ffee",
    "name": "mine",
    "demo_model": False,
    "inputs": ["a.warc.gz"],
    "config": {"score": {"routes": {"en": "m"}}, "publish": {"url": "u"}},
    "models": {"m": {"architecture": "ViT"}},
    "scored_by": {"m": 2},
    "detectors": [{"name": "d", "version": 1, "settings": {}}],
    "rules": [{"name": "r", "version": 1, "settings": {"limit": 0.25}}],
    "counts": {"publish": {"sample": BALANCE}},
    "problems": [{"where": "a", "unit": "file", "reason": "unreadable"}],
    "files": [FILE],
    "version": 2,
    "erasures": [ERASURE],
}


def text_of(document: object) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def test_what_is_read():
    manifest = parse_manifest(text_of(WHOLE))
    assert manifest.files == (ListedFile(**FILE),)
    assert manifest.erasures == (ListedErasure(**ERASURE),)
    assert manifest.unit_counts == {"publish": {"sample": UnitCounts(3, 2, {"r": 1}, {})}}
    assert manifest.setting("score", "routes") == {"en": "m"}
    assert manifest.setting("fetch", "contact") == ""
    assert manifest.subsets == ["en"]
    assert manifest.by_path[FILE["path"]].rows == 2
    assert manifest.below("ledger/") == []


def test_what_a_manifest_lacks_has_a_default():
    manifest = parse_manifest('{"files": []}')
    assert manifest == Manifest(keys=("files",))
    assert (manifest.version, manifest.rows_folder, manifest.adopted) == (1, "dataset/", False)
    assert (manifest.columns, manifest.erasures, manifest.models) == ({}, (), {})


LATER = {"files": [{**FILE, "md5": "cd"}], "pairsieve": "9", "later": {"b": 1, "a": [None]}}


@pytest.mark.parametrize(
    "document",
    [WHOLE, {"files": []}, LATER, {"erasures": [{**ERASURE, "at": 1}], "files": [FILE]}],
)
def test_it_is_written_back_as_it_was(document):
    assert parse_manifest(text_of(document)).text() == text_of(document)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=5,
)


@given(
    order=st.permutations(sorted(WHOLE)),
    left_out=st.sets(st.sampled_from(sorted(set(WHOLE) - {"files"}))),
    later=st.dictionaries(st.text().map("later {}".format), json_values, max_size=3),
)
def test_round_trip(order, left_out, later):
    """Whatever the order of the keys, whichever are missing, and whatever came later."""
    document = {key: WHOLE[key] for key in order if key not in left_out} | later
    text = text_of(document)
    assert parse_manifest(text).text() == text


def test_what_is_changed_goes_behind_what_was_there():
    """As `erase` does with the manifest of an adopted dataset."""
    adopted = Manifest(pairsieve="1", adopted=True, rows_folder="", keys=KEYS_OF_A_COPY)
    assert list(adopted.as_json()) == list(KEYS_OF_A_COPY)
    erased = replace(adopted, version=2, erasures=(ListedErasure(**ERASURE),))
    assert list(erased.as_json()) == [*KEYS_OF_A_COPY, "erasures"]
    assert erased.as_json()["version"] == 2
    older = replace(parse_manifest('{"files": []}'), version=2, erasures=erased.erasures)
    assert list(older.as_json()) == ["files", "version", "erasures"]


def test_a_run_writes_all_of_its_keys():
    assert list(Manifest(keys=KEYS_OF_A_RUN).as_json()) == list(KEYS_OF_A_RUN)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"files": 7}, "lists no files"),
        ({"files": None}, "lists no files"),
        ({"files": [7]}, "files, entry 1: it is no JSON object"),
        ({"files": [FILE, {}]}, "files, entry 2: it has no path"),
        ({"files": [{**FILE, "path": 7}]}, "path is 7, and must be text"),
        ({"files": [{**FILE, "rows": None}]}, "rows is None, and must be a whole number from 0"),
        ({"files": [{**FILE, "rows": True}]}, "rows is True"),
        ({"files": [{**FILE, "bytes": -1}]}, "bytes is -1"),
        ({"files": [{**FILE, "rows": 1.5}]}, "rows is 1.5"),
        ({"files": [{**FILE, "sha256": None}]}, "sha256 is None, and must be text"),
        ({"version": 0}, "version is 0, and must be a whole number from 1"),
        ({"version": "2"}, "version is '2'"),
        ({"name": None}, "name is None, and must be text"),
        ({"adopted": 1}, "adopted is 1, and must be true or false"),
        ({"rows": 3}, "rows is 3, and must be text"),
        ({"columns": []}, r"columns is \[\], and must be an object"),
        ({"columns": {"URL": 1}}, "and must be an object of texts"),
        ({"inputs": "a"}, "inputs is 'a', and must be a list"),
        ({"config": []}, "config is"),
        ({"config": {"score": 7}}, "whose fetch, score and publish are objects"),
        ({"models": {"m": 1}}, "models is"),
        ({"scored_by": {"m": "x"}}, "scored_by is"),
        ({"rules": [{"name": "r"}]}, "rules is"),
        ({"detectors": [7]}, "detectors is"),
        ({"counts": {"publish": 7}}, "counts is"),
        ({"counts": {"publish": {"sample": {**BALANCE, "kept": "2"}}}}, "counts is"),
        ({"counts": {"publish": {"sample": {"kept": 2}}}}, "counts is"),
        ({"problems": {}}, "problems is"),
        ({"erasures": {}}, "erasures is {}, and must be a list"),
        ({"erasures": [{**ERASURE, "keys": [1]}]}, r"entry 1: keys is \[1\]"),
        ({"erasures": [{"version": 2}]}, "erasures, entry 1: it has no requests"),
        ({"name": ["long"] * 1000}, "name is .{60}, and must be text"),
    ],
)
def test_a_damaged_manifest_says_where(change, message):
    with pytest.raises(BadManifest, match=message):
        parse_manifest(text_of({**WHOLE, **change}))


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"files": [}'])
def test_what_is_no_json(text):
    with pytest.raises(BadManifest, match="cut off or no JSON"):
        parse_manifest(text)


@pytest.mark.parametrize("text", ["null", "[]", "7", '"files"'])
def test_what_is_no_object(text):
    with pytest.raises(BadManifest, match="no JSON object"):
        parse_manifest(text)
    assert not is_from_pairsieve(text)


def test_whose_it_is():
    assert is_from_pairsieve('{"pairsieve": 1}')
    assert not is_from_pairsieve('{"files": []}')
