"""What is published says no more than it must: canaries stand in every private setting, and in
nothing that comes out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any, ClassVar, get_args, get_origin

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from filters.registry import DETECTORS, RULES
from pairsieve.erasure.tombstones import make_keys
from pairsieve.images.hash_file import write_hashes
from pairsieve.records.privacy import Public, privacy_of
from pipeline.config import Config
from pipeline.dataset.card import data_card
from pipeline.dataset.croissant import croissant
from pipeline.dataset.facts import gather
from pipeline.dataset.manifest import read_manifest
from pipeline.dataset.published_settings import (
    DIGESTS,
    WITHHELD,
    names_place,
    public_input,
    public_plugin,
    shown,
)
from pipeline.dataset.release import Made, make_manifest
from pipeline.dataset.report_page import Report
from tests.support.paths import REPOSITORY

ROW = re.compile(r"^\| `([\w.]+)` \| (yes|no|digest) \|$", re.MULTILINE)
DOCUMENTED = dict(ROW.findall((REPOSITORY / "docs" / "published.md").read_text("utf-8")))


def settings(kind: type[Any], place: str = "", public: bool = False) -> Iterator[tuple[str, str]]:
    """Every setting below a dataclass, and whether it is published."""
    for name, hint, is_public in privacy_of(kind):
        below = next(
            (one for one in (hint, *get_args(hint)) if isinstance(one, type) and is_dataclass(one)),
            None,
        )
        if below:
            yield from settings(below, f"{place}{name}.", public or is_public)
        else:
            yield f"{place}{name}", "yes" if public or is_public else "no"


def plugin_settings() -> Iterator[tuple[str, str]]:
    for kind in (*DETECTORS.values(), *RULES.values()):
        for name, published in settings(kind):
            by_content = name in DIGESTS or (
                hasattr(kind, "prepare") and name in ("files", "lists", "sets", "tombstones")
            )
            yield f"{kind.name}.{name}", "digest" if by_content else published


def test_the_table_of_what_is_published_is_true():
    wanted = {**dict(settings(Config)), **dict(plugin_settings())}
    del wanted["filters.detectors"], wanted["filters.rules"]  # plugin by plugin
    # see the page
    wanted |= {f"score.models.{name}": "yes" for name in ("architecture", "pretrained", "demo")}
    # a plugin with files is named by what they hold alone
    wanted["opt_outs.skip_unreadable"] = "no"
    assert wanted == DOCUMENTED


class Planted:
    """Values that nothing else holds, and which they are."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.known, self._numbers = folder, list[str](), count(770_000_001)

    def text(self) -> str:
        self.known.append(f"canary{next(self._numbers)}")
        return self.known[-1]

    def number(self) -> int:
        self.known.append(str(next(self._numbers)))
        return int(self.known[-1])

    def file(self, content: bytes) -> str:
        path = self.folder / self.text() / f"{self.text()}.npz"
        path.parent.mkdir()
        path.write_bytes(content)
        return str(path)

    def hashes(self) -> str:
        path = self.file(b"")
        write_hashes(path, [bytes(32)])
        return path

    def tombstones(self) -> str:
        folder = str(self.folder / self.text())
        make_keys(folder)
        return folder

    def of(self, hint: Any, before: Any) -> Any:
        """A value of this type that holds canaries; the one before where the type leaves no room
        for any.
        """
        if isinstance(before, Mapping) and any(is_dataclass(one) for one in before.values()):
            return {name: self.config(one) for name, one in before.items()}
        if is_dataclass(before):
            return self.config(before)
        inner = [one for one in (hint, *get_args(hint)) if one in (str, int, float)]
        if get_origin(hint) is tuple:
            return (self.of(get_args(hint)[0], None),)
        if "Mapping" in str(hint):
            return {self.text(): self.text()}
        if not inner:
            return before
        return self.text() if inner[0] is str else self.number()

    def config(self, value: Any) -> Any:
        """A dataclass of settings, with canaries in every private one."""
        private = {
            name: (hint, getattr(value, name))
            for name, hint, is_public in privacy_of(type(value))
            if not is_public
        }
        return replace(
            value, **{name: self.of(hint, before) for name, (hint, before) in private.items()}
        )

    def plugin(self, kind: type[Any]) -> Any:
        """A detector or rule whose private settings are canaries, and whose files lie where
        canaries lead to.
        """
        known = {
            "weights": lambda: self.file(b"weights"),
            "heads": lambda: {self.text(): self.file(b"head")},
            "tombstones": self.tombstones,
            "files": lambda: {self.file(b"ab" * 16): "auto"},
            "most_bits": lambda: 30,  # there is no room for a canary
            "lists": lambda: {"en": self.file(b"dog")},
            "sets": lambda: {"a_set": self.hashes()},
        }
        given_settings = {}
        for name, hint, is_public in privacy_of(kind):
            f = next(f for f in fields(kind) if f.name == name)
            if is_public and (f.default is not MISSING or f.default_factory is not MISSING):
                continue
            given_settings[name] = (
                known[name]()
                if name in known
                else PUBLIC_VALUES[name]
                if is_public
                else self.of(hint, None)
            )
        given_settings = {
            name: value for name, value in given_settings.items() if value is not None
        }
        return TypeAdapter(kind).validate_python(given_settings)


PUBLIC_VALUES: dict[str, Any] = {
    "min_score": 0.5, "unsure_from": 0.5, "nsfw_from": 0.9, "keep": ["en"], "profile": "audit", "min_bytes": 1, "min_side": 1,
    "max_pixels": 9, "thresholds": {"en": 0.3}, "picture_alone": 0.9, "picture_with_other": 0.5,
    "words_from": 1, "words_with_other": 1, "caption_from": 0.8, "halves_within": 1,
    "drop_from": 0.9, "tag_from": 0.5, "action": "drop", "keep_captions": 1, "most_pairs": {"en": 9}, "unmatched": "keep", "tag_above": 9, "captions": "drop", "urls": "drop", "groups": {"a": ["b"], "c": ["d"]},
}  # fmt: skip


@pytest.fixture
def planted(tmp_path):
    return Planted(tmp_path)


def every_plugin(planted: Planted, table: Mapping[str, type]) -> tuple[Any, ...]:
    kinds = [kind for kind in table.values() if kind.name != "rights"]
    rights = [kind(profile="respect") for kind in table.values() if kind.name == "rights"]
    return (*rights, *(planted.plugin(kind) for kind in kinds))


def test_no_private_setting_is_published(demo_plan, demo_run, planted):
    plan = replace(
        demo_plan,
        config=planted.config(demo_plan.config),
        inputs=(f"/{planted.text()}/crawl.warc.gz",),
        known=(planted.text(),),
        detectors=every_plugin(planted, DETECTORS),
        rules=every_plugin(planted, RULES),
    )
    assert len(planted.known) > 40
    there = read_manifest(str(demo_run.output))
    made = Made([], {}, [], {})
    manifest = replace(make_manifest(plan, made), files=there.files, counts=there.counts)
    facts = gather(str(demo_run.output), manifest)
    published = [
        manifest.text(),
        data_card(facts),
        json.dumps(croissant(manifest, facts.columns)),
        Report(facts).page(),
    ]
    assert [canary for canary in planted.known if any(canary in text for text in published)] == []
    assert [plugin["name"] for plugin in manifest.rules] == [rule.name for rule in plan.rules]


def test_what_is_published_of_a_run_that_was_told_private_places(run_demo, planted, tmp_path):
    folder = tmp_path / planted.text()
    folder.mkdir()
    source = folder / "crawl.warc.gz"
    source.write_bytes((REPOSITORY / "configs" / "demo" / "crawl.warc.gz").read_bytes())
    known = folder / f"{planted.text()}.parquet"
    pq.write_table(pa.table({"URL": ["https://a.example/1.jpg"], "TEXT": ["words"]}), known)
    hashes = planted.file(b"ab" * 16)
    told = {
        "extract.known": [str(known)],
        "fetch.allow_networks": ["10.77.66.0/24"],
        "filters.rules.opt_outs": {"files": {hashes: "auto"}},
        "filters.rules.erasure": {"tombstones": planted.tombstones()},
        "filters.detectors.medical_caption": {"extra_terms": [planted.text()]},
    }
    arguments = [
        one for name, value in told.items() for one in ("--set", f"{name}={json.dumps(value)}")
    ]
    ran = run_demo("--input", str(source), *arguments, folder=folder)
    assert ran.status == 0, ran.printed
    texts = {str(path): said_in(path) for path in ran.output.rglob("*") if path.is_file()}
    assert len(texts) > 5
    assert [
        (canary, path)
        for canary in (*planted.known, "10.77.66", str(tmp_path))
        for path, text in texts.items()
        if canary in text
    ] == []
    assert any("crawl.warc.gz" in text for text in texts.values())


def said_in(path: Path) -> str:
    if path.suffix != ".parquet":
        return path.read_bytes().decode("utf-8", "replace")
    table = pq.read_table(path)
    return f"{table.to_pylist()} {table.schema.metadata} {pq.read_metadata(path)}"


@dataclass(frozen=True)
class Theirs:
    """A plugin of somebody who thought of nothing."""

    name: ClassVar[str] = "theirs"
    version: ClassVar[int] = 3

    secret: str
    said: Public[str] = "fine"
    place: Public[tuple[str, ...]] = ("/etc/theirs", "10.1.2.3")


@dataclass(frozen=True)
class TheirFiles(Theirs):
    def prepare(self) -> str:
        return self.secret


def test_a_plugin_of_others_publishes_what_it_marks_and_no_place():
    assert public_plugin(Theirs("canary")) == {
        "name": "theirs",
        "version": 3,
        "settings": {"said": "fine", "place": [WITHHELD, WITHHELD]},
    }
    content = public_plugin(TheirFiles("canary"))["settings"]
    assert set(content) == {"content"}
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", content["content"])


PLACES = [
    "/home/anna/x", "~/x", "~anna/x", "../x", "./x", "C:\\x", "c:/x", "\\\\server\\x", "file:///x",
    "local-dir:/x", "simplecache::s3://b/x",
    "127.0.0.1", "10.0.0.0/8", "::1", "fe80::1%eth0", "http://10.1.2.3/x", "http://[::1]/",
    "http://localhost:8080/", "http://inner/",
    "https://git.corp/x", "https://printer.local", "https://u:p@a.example/", " /etc/passwd",
    "http://127.1/", "http://nas.home.arpa/",
]  # fmt: skip
NO_PLACES = [
    "", "en", "JPEG", ".svg", "https://example.org/bot", "mailto:a@b.example", "a@b.example",
    "laion2b_s34b_b79k", "example.co.uk", "5xx",
    "a photo / a drawing", "creativecommons.org/licenses/by/4.0/",
    "https://creativecommons.org/licenses/by/4.0/", "0.3", "ViT-B-32",
]  # fmt: skip


@pytest.mark.parametrize("text", PLACES)
def test_places_are_withheld(text):
    assert names_place(text)
    assert shown({"a": [text, {text: 1}]}) == {"a": [WITHHELD, {WITHHELD: 1}]}


@pytest.mark.parametrize("text", NO_PLACES)
def test_other_texts_are_shown(text):
    assert shown(text) == text


@given(st.text())
def test_any_text_is_shown_or_withheld(text):
    assert shown(text) in (text, WITHHELD)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/home/anna/crawl/a.warc.gz", "a.warc.gz"),
        ("crawl/a.warc.gz", "a.warc.gz"),
        (
            "https://data.commoncrawl.org/crawl-data/a.warc.gz",
            "https://data.commoncrawl.org/crawl-data/a.warc.gz",
        ),
        ("s3://commoncrawl/crawl-data/a.warc.gz", "s3://commoncrawl/crawl-data/a.warc.gz"),
        ("https://a.example/a.warc.gz?X-Amz-Signature=secret", "https://a.example/a.warc.gz"),
        ("https://u:p@a.example/a.warc.gz", "a.warc.gz"),
        ("http://10.0.0.5:8080/x/a.warc.gz", "a.warc.gz"),
        ("http://inner/x/a.warc.gz", "a.warc.gz"),
        ("hdfs://namenode:8020/user/anna/a.warc.gz", "a.warc.gz"),
        ("simplecache::https://a.example/x/a.warc.gz", "a.warc.gz"),
        ("zip://a.warc.gz::/home/anna/x.zip", "x.zip"),
    ],
)
def test_inputs_are_named_without_places(path, name):
    assert public_input(path) == name
