"""The release check finds what others would find after the release."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from importlib.util import find_spec

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from benchmarks.medical import LANGUAGES, NOTHING, RULE, SETS, read_set
from filters.medical.text import make_judge
from filters.medical.words import reaches
from filters.privacy.spans import personal_spans
from filters.rule import Action
from filters.verdict import redact
from pairsieve.erasure.opt_outs import OptOuts
from pipeline.commands.check import main as check
from pipeline.commands.erase import main as erase
from pipeline.config import FiltersConfig
from pipeline.dataset.review import medical_words_of, over, review_page
from pipeline.orchestrate.config_file import CONFIGS
from tests.support.datasets import manifest_of, picture_of, rows_of
from transforms.review import review as reviewing
from transforms.review.findings import RISKS, Finding, MedicalWords, Reviewer
from transforms.review.review import Review, RiskyRow, merge_reviews, read_review, write_review

GOOD = {
    "URL": "https://a.example/1.jpg",
    "TEXT": "a cat on a mat",
    "page_url": "https://a.example/",
    "crawl_time": "2026-11-01T12:00:00Z",
}


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ({}, set()),
        ({"TEXT": "Rhinoplasty before and after"}, {"medical_words"}),
        ({"TEXT": "a boy with osteogenesis imperfecta"}, {"medical_words", "child_words"}),
        ({"TEXT": "Rhinoplasty", "face_count": 1}, {"medical_words", "face_and_medical"}),
        ({"face_count": 1}, set()),
        ({"TEXT": "kids playing in the park"}, {"child_words"}),
        ({"TEXT": "kids playing in the park", "face_count": 2}, {"child"}),
        ({"TEXT": "kids playing", "page_url": "https://a.example/kindergarten/"}, {"child"}),
        ({"medical_picture_score": 0.8}, {"medical_picture"}),
        ({"medical_picture_score": 0.2}, set()),
        ({"TEXT": "write to anna.roe@mailbox.org today"}, {"personal_data"}),
        ({"TEXT": "write to [EMAIL] today"}, set()),
        ({"URL": "https://a.example/anna.roe@mailbox.org.jpg"}, {"personal_data"}),
        ({"tags": ["document_letter", "parrot"]}, {"document"}),
        ({"page_url": ""}, {"no_provenance"}),
        ({"page_url": "", "page_source": "none"}, set()),
        ({"page_url": "https://sub.refused.example/x"}, {"opt_out"}),
    ],
)
def test_findings(changes, kinds):
    known = dict.fromkeys(("place", "address", "md5", "sha256"), frozenset())
    looked = Reviewer(opted_out=OptOuts({**known, "domain": frozenset({"refused.example"})}))
    assert {finding.kind for finding in looked.findings({**GOOD, **changes})} == kinds


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_caption_that_the_rule_publishes_is_found(language):
    """On the frozen sets, with scores in single precision and personal data cut out, as in a run."""
    judge = make_judge().judge
    for caption in read_set(SETS / f"medical_languages/{language}.txt"):
        text = f"{caption.text}, write to jane.roe@mailbox.org"
        found = judge(text, language)
        evidence = NOTHING | {
            "medical_terms": found.terms,
            "medical_terms_unsure": found.unsure,
            "medical_words": float(np.float32(found.score)),
        }
        if any(decision.action is Action.DROP for decision in RULE.judge(evidence)):
            continue
        published = redact(text, personal_spans(text))
        assert published.endswith("[EMAIL]")
        for shown in (text, published):
            row = {**GOOD, "TEXT": shown, "LANGUAGE": language}
            kinds = {finding.kind for finding in Reviewer().findings(row)}
            assert "medical_words" not in kinds, shown


@given(score=st.floats(0.85, 0.95), threshold=st.floats(0.85, 0.95))
@example(score=0.9, threshold=0.9)
def test_a_score_and_its_column_reach_the_same_thresholds(score, threshold):
    assert reaches(score, threshold) == reaches(float(np.float32(score)), threshold)
    assert reaches(threshold, threshold)


def test_words_do_not_come_near_each_other_by_redaction():
    text = "my knee, ask jane.roe@mailbox.org or +44 20 7946 0958, is not swollen"
    published = redact(text, personal_spans(text))
    assert published == "my knee, ask [EMAIL] or [PHONE], is not swollen"
    assert MedicalWords().found(published, "en") == ""
    assert MedicalWords().found("my knee is swollen", "en") == "knee + swollen"


def test_medical_words_are_those_of_the_config():
    filters = FiltersConfig(
        {"medical_caption": {"extra_terms": ["acmeitis"], "extra_defused": ["mri band"]}},
        {"medical": {"words_from": 5.0}},
    )
    words = medical_words_of(filters)
    assert words.found("Acmeitis", "en") == "acmeitis"
    assert words.found("MRI band of the knee", "en") == ""
    assert words.found("tibial artery and vein", "en") == ""
    assert medical_words_of(FiltersConfig({}, {})) == MedicalWords()
    assert MedicalWords().found("tibial artery and vein", "en") == "by the weights of its words"


def test_a_second_detector_is_asked():
    looked = Reviewer(second=lambda text: {"PHONE_NUMBER"} if "7" in text else set())
    assert list(looked.findings(GOOD)) == []
    assert list(looked.findings({**GOOD, "TEXT": "lot 7"})) == [
        Finding("second_detector", "PHONE_NUMBER by Presidio")
    ]


def review_of(*rows: tuple[dict[str, str], list[Finding]], shard: int = 0) -> Review:
    """A review of rows with their findings, of one shard."""
    counts = Counter({found.kind: 0 for _, findings in rows for found in findings})
    risky = []
    for number, (cells, findings) in enumerate(rows):
        kinds = {found.kind for found in findings}
        counts.update(kinds)
        if findings:
            risk = sum(RISKS[kind] for kind in kinds)
            risky.append(RiskyRow(risk, (shard, number), cells, tuple(findings)))
    return Review(len(rows), counts, risky)


def test_the_riskiest_come_first_and_limits_are_shares():
    words = [Finding("medical_words", "x")]
    rows = [({**GOOD, "key": str(n)}, words if n < 3 else []) for n in range(100)]
    last = (GOOD, [Finding("tombstoned", "was taken out before")])
    found = merge_reviews([review_of(*rows, last)])
    assert [line.partition(":")[0] for line in over(found, {})] == ["tombstoned", "medical_words"]
    assert over(found, {"medical_words": 0.05, "tombstoned": 0.01}) == []
    page = review_page("n", found, over(found, {}))
    assert page.index("was taken out before") < page.index(
        '<span class="kind">medical_words</span>'
    )


RISKY_ROWS = st.lists(st.sampled_from(sorted(RISKS)).map(lambda kind: [Finding(kind, "x")]))


@given(st.lists(RISKY_ROWS, max_size=6), st.data())
def test_reviews_of_shards_add_up_in_any_order_and_grouping(shards, data):
    reviews = [
        review_of(*((GOOD, findings) for findings in rows), shard=number)
        for number, rows in enumerate(shards)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reviewing, "MAX_LISTED", 3)
        whole = merge_reviews(reviews)
        shuffled = data.draw(st.permutations(reviews))
        at = data.draw(st.integers(0, len(reviews)))
        assert merge_reviews([merge_reviews(shuffled[:at]), *shuffled[at:]]) == whole
    assert whole.rows == sum(map(len, shards))
    # The riskiest of all, and of equal risk the first in the dataset.
    every = sorted((row for review in reviews for row in review.riskiest), key=lambda r: r.order)
    assert list(whole.riskiest) == every[:3]


def test_a_review_is_read_as_it_was_written(tmp_path):
    review = merge_reviews([review_of((GOOD, [Finding("opt_out", "x"), Finding("child", "y")]))])
    write_review(review, str(tmp_path))
    assert read_review(str(tmp_path)) == review
    assert (tmp_path / "review.json").stat().st_mode & 0o077 == 0


def test_a_review_list_shows_hostile_rows_as_text():
    hostile = {"URL": "javascript:alert(1)", "TEXT": "<script>alert(2)</script> \u202e"}
    found = review_of((hostile, [Finding("opt_out", "<b>")]))
    page = review_page("<i>n</i>", found, ["<u>"])
    assert "<script>" not in page
    assert 'href="javascript' not in page
    assert "\u202e" not in page
    assert "<i>n" not in page


@pytest.fixture
def dataset(demo_run, tmp_path):
    shutil.copytree(demo_run.output, tmp_path / "out")
    return tmp_path / "out"


def test_a_good_dataset_passes(dataset, capsys):
    assert check(["--dataset", str(dataset)]) == 0
    printed = capsys.readouterr().out
    assert printed.endswith("152 rows looked at\n")
    note = "second detector of personal data: "
    note += "the patterns of Presidio" if find_spec("presidio_analyzer") else "none."
    assert note in printed
    page = dataset.with_name("out.check.html")
    assert "Within all limits" in page.read_text()
    assert page.stat().st_mode & 0o077 == 0


def test_opt_outs_and_limits(dataset, tmp_path, capsys):
    (tmp_path / "domains.txt").write_text("# those who wrote to us\nShapes.example\n")
    arguments = ["--dataset", str(dataset), "--opt-out", str(tmp_path / "domains.txt")]
    assert check(arguments) == 1
    assert "above the limit: opt_out" in capsys.readouterr().out
    assert check([*arguments, "--limit", "opt_out=1"]) == 0
    assert check([*arguments, "--limit", "optout=1"]) == 2
    assert "did you mean 'opt_out'?" in capsys.readouterr().err


def test_the_list_is_the_same_on_two_workers(dataset, tmp_path, capsys):
    pages = []
    for workers in (1, 2):
        (tmp_path / "page.txt").write_text("shapes.example\n")
        arguments = ["--dataset", str(dataset), "--opt-out", str(tmp_path / "page.txt")]
        out = tmp_path / f"{workers}.html"
        assert check([*arguments, "--out", str(out), f"--direct_num_workers={workers}"]) == 1
        pages.append(out.read_text())
    assert pages[0] == pages[1]
    assert "its domain is on a registry" in pages[0]
    # Captions and addresses of the job's own folder are gone.
    assert sorted(path.name for path in tmp_path.glob("*.html*")) == ["1.html", "2.html"]


def test_what_keeps_a_check_from_its_end_is_named(dataset, capsys):
    assert check(["--dataset", str(dataset), "--runer=DirectRunner"]) == 2
    assert (
        "unknown option --runer=DirectRunner; did you mean '--runner'?" in capsys.readouterr().err
    )
    shard = next(path for path in sorted(dataset.rglob("dataset/*/*.parquet")))
    shard.write_bytes(shard.read_bytes()[:100])
    assert check(["--dataset", str(dataset)]) == 2
    said = capsys.readouterr().err
    assert shard.name in said
    assert "Traceback" not in said
    folder = dataset.with_name("out.check.html.job")
    folder.mkdir()
    (folder / "letter.txt").write_text("of somebody else")
    assert check(["--dataset", str(dataset)]) == 2
    assert "pairsieve did not make it; move it away" in capsys.readouterr().err
    assert (folder / "letter.txt").exists()


def test_an_example_picture_is_found(dataset, tmp_path, capsys):
    row = next(row for row in rows_of(dataset) if row["LANGUAGE"] == "en")
    path = picture_of(row, tmp_path)
    assert check(["--dataset", str(dataset), "--image", str(path)]) == 1
    assert "above the limit: example" in capsys.readouterr().out
    path.write_bytes(b"no picture")
    assert check(["--dataset", str(dataset), "--image", str(path)]) == 2


def test_rows_that_came_back_are_found(demo_run, dataset, tmp_path, capsys):
    row = rows_of(dataset)[0]
    (tmp_path / "requests.jsonl").write_text(json.dumps({"sha256": row["sha256"]}) + "\n")
    assert erase(["--dataset", str(dataset), "--requests", str(tmp_path / "requests.jsonl")]) == 0
    assert check(["--dataset", str(dataset)]) == 0
    shutil.rmtree(dataset)
    shutil.copytree(demo_run.output, dataset)  # as a run without the tombstones would make it
    assert check(["--dataset", str(dataset)]) == 1
    assert "above the limit: tombstoned" in capsys.readouterr().out


def test_vectors_show_what_no_word_says(run_demo, tmp_path, capsys):
    settings = [
        "publish.embeddings=npy",
        "score.keep_embeddings=true",
        "filters.rules.medical.profile=audit",
    ]
    ran = run_demo(*[part for one in settings for part in ("--set", one)])
    assert ran.status == 0, ran.printed
    arguments = [
        "--dataset",
        str(ran.output),
        "--out",
        str(tmp_path / "a.html"),
        "--limit",
        "medical_words=1",
    ]
    assert check(arguments) == 0, capsys.readouterr().out
    assert check([*arguments, "--config", str(CONFIGS / "demo.yaml")]) == 1
    assert "above the limit: medical_picture" in capsys.readouterr().out


def test_a_run_that_fails_the_check_is_not_released(run_demo, tmp_path):
    audit = ["--set", "filters.rules.medical.profile=audit", "--set", "publish.release_check=true"]
    ran = run_demo(*audit, folder=tmp_path)
    assert ran.status == 1
    assert "the release check found too much" in ran.printed
    assert not (ran.output / "manifest.json").exists()
    assert manifest_of(ran.output / "unreleased")["counts"]["publish"]["sample"]["kept"] > 152
    assert "medical_picture" in (ran.work / "release-check.html").read_text()
    again = run_demo(*audit, folder=tmp_path)
    assert again.status == 1, "what was not released is not released by asking again"
    assert not (again.output / "manifest.json").exists()
    passed = run_demo("--set", "publish.release_check=true", folder=tmp_path)
    assert passed.status == 0, passed.printed
    assert not (passed.output / "unreleased").exists()
    assert len(rows_of(passed.output)) == 152


def test_private_columns_are_looked_at_where_they_are_given(dataset, demo_run, tmp_path, capsys):
    shutil.copytree(demo_run.work / "publish", tmp_path / "work" / "publish")
    arguments = ["--dataset", str(dataset), "--work", str(tmp_path / "work")]
    assert check(arguments) == 0
    sidecar = next(
        path
        for path in sorted((tmp_path / "work").rglob("sensitive/*/*.parquet"))
        if pq.read_metadata(path).num_rows
    )
    table = pq.read_table(sidecar)
    column = table.schema.get_field_index("medical_picture_score")
    scores = pa.array([0.9] * table.num_rows, pa.float32())
    pq.write_table(table.set_column(column, "medical_picture_score", scores), sidecar)
    assert check(arguments) == 1
    assert f"medical_picture: {table.num_rows} of 152 rows" in capsys.readouterr().out
    sidecar.unlink()
    assert check(arguments) == 2
    assert "holds no private columns of" in capsys.readouterr().err
