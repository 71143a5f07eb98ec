"""Labels are on the disk at once, private, and hold for one sample alone."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pairsieve.audit.labels import BadLabels, LabelFile, SampleName

NAME = SampleName("patients", 1, 100, 1, "d" * 64, "r" * 64)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "audit" / "labels.jsonl"


def opened(path, name=NAME):
    return LabelFile(str(path), name)


def test_it_goes_on_where_it_was_left(path):
    first = opened(path)
    for row, label in (("a", "yes"), ("b", "no"), ("c", "unsure"), ("d", "no")):
        first.add(row, label)
    first.undo()
    assert opened(path).labels == first.labels == {"a": "yes", "b": "no", "c": "unsure"}
    again = opened(path)
    again.undo()
    again.add("c", "no")
    assert list(opened(path).labels.items()) == [("a", "yes"), ("b", "no"), ("c", "no")]


def test_only_its_owner_reads_it(path):
    opened(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_nothing_is_taken_back_where_there_is_nothing(path):
    opened(path).undo()
    assert opened(path).labels == {}


@pytest.mark.parametrize("cut", [1, 5, 26])
def test_a_line_that_was_cut_off_is_left_out(path, cut):
    labels = opened(path)
    labels.add("a", "yes")
    labels.add("b", "no")
    path.write_bytes(path.read_bytes()[:-cut])
    again = opened(path)
    assert again.labels == {"a": "yes"}
    again.add("b", "unsure")
    assert opened(path).labels == {"a": "yes", "b": "unsure"}


def test_a_first_line_that_was_cut_off_is_written_again(path):
    opened(path)
    path.write_bytes(path.read_bytes()[:20])
    opened(path).add("a", "no")
    assert opened(path).labels == {"a": "no"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"question": "children"}, "another question"),
        ({"seed": 2}, "another --seed"),
        ({"labels": 99}, "another number of --labels"),
        ({"version": 2}, "another version of the dataset"),
        ({"dataset": "e" * 64}, "the dataset has changed since"),
        ({"rows": "s" * 64}, "the drawn rows differ"),
    ],
)
def test_labels_of_another_sample_are_refused(path, change, words):
    opened(path).add("a", "yes")
    before = path.read_bytes()
    with pytest.raises(BadLabels, match=words) as refused:
        opened(path, replace(NAME, **change))
    assert "give another --seed or --labels-file" in str(refused.value)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "line",
    ["no JSON", "[]", "7", '{"row": "a"}', '{"row": "a", "label": "maybe"}', '{"undo": "b"}'],
)
def test_a_damaged_line_is_named(path, line):
    opened(path).add("a", "yes")
    with path.open("a") as stream:
        stream.write(line + "\n")
    with pytest.raises(BadLabels, match="line 3: this is no label"):
        opened(path)


@pytest.mark.parametrize("text", ["hello\n", "[1]\n", json.dumps({"question": "patients"}) + "\n"])
def test_a_file_of_somebody_else_stays_as_it_is(path, text):
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(BadLabels, match="is no file of labels"):
        opened(path)
    assert path.read_text() == text


def test_a_store_cannot_append():
    with pytest.raises(BadLabels, match="name a local file"):
        opened("memory://bucket/labels.jsonl")
