"""Similarities are open_clip's own, whatever the batches, the order and the company."""

from __future__ import annotations

import io
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image as PillowImage

from filters.rule import Action, Decision
from filters.subjects import Embedding, Picture
from pairsieve.clip.encoder import load_encoder
from pairsieve.clip.model import identify
from pairsieve.clip.settings import EncoderSettings
from pairsieve.images.decode import DecodeSettings
from pairsieve.images.processes import Processes
from pairsieve.records.pair import PerCaption
from pairsieve.storage.settled import Looking
from pairsieve.warc.source import ArchiveSettings
from tests.support.clip_models import DEMO, small_model
from tests.support.scoring import CAPTIONS, CONTENTS, png, row
from transforms.score.handler import load_scorer
from transforms.score.prospects import Prospects
from transforms.score.score_rows import score_rows
from transforms.score.scorer import Costly, Scorer
from transforms.score.settings import ScoreSettings

DECODE = DecodeSettings(formats=("JPEG", "PNG"), max_pixels=1_000_000, max_aspect_ratio=20)


PROCESSES = Processes(2)  # started at the first picture, and shared by all tests here


@pytest.fixture(scope="module", autouse=True)
def end_processes():
    yield
    PROCESSES.close()


def make_scorer(encoder, **options) -> Scorer:
    settings = dict(
        encoders={"m": encoder},
        routes={"en": "m", "multi": "m", "nolang": "m"},
        decode=DECODE,
        detect_from=2.0,
        keep_embeddings=False,
        observe_picture=lambda picture: {},
        observe_embedding=lambda embedding: {},
        executor=ThreadPoolExecutor(2),
        processes=PROCESSES,
    )
    return Scorer(**{**settings, **options})


def demo_scorer(batch_size=2, **options) -> Scorer:
    return make_scorer(
        load_encoder(
            DEMO, identify(DEMO), EncoderSettings(batch_size=batch_size, precision="fp32")
        ),
        **options,
    )


def score(rows, scorer, read=lambda image: CONTENTS[image.sha256]):
    pairs, images = zip(*rows, strict=True)
    return score_rows(pairs, images, read, scorer)


def direct_similarities(model, preprocess, tokenize, rows) -> list[float]:
    """open_clip used directly, one pair at a time."""
    found = []
    with torch.inference_mode():
        for pair, image in rows:
            pixels = preprocess(
                PillowImage.open(io.BytesIO(CONTENTS[image.sha256])).convert("RGB")
            )[None]
            vectors = (
                model.encode_image(pixels, normalize=True),
                model.encode_text(tokenize([pair.caption]), normalize=True),
            )
            found.append(float((vectors[0] @ vectors[1].T)[0, 0]))
    return found


def test_a_checkpoint_by_path_gives_open_clips_own_similarities(vit_b_32):
    rows = [row(n) for n in range(4)]
    model, _, preprocess = open_clip.create_model_and_transforms(
        "ViT-B-32", pretrained=vit_b_32.pretrained
    )
    expected = direct_similarities(
        model.eval(), preprocess, open_clip.get_tokenizer("ViT-B-32"), rows
    )
    scores = score(
        rows,
        make_scorer(
            load_encoder(
                vit_b_32, identify(vit_b_32), EncoderSettings(batch_size=3, precision="fp32")
            )
        ),
    )
    assert [s.similarity for s in scores] == pytest.approx(expected, abs=1e-5)
    assert {s.model for s in scores} == {str(identify(vit_b_32))}


def test_the_demo_model_gives_open_clips_own_similarities():
    rows = [row(n) for n in range(8)]
    model, preprocess = open_clip.create_model_from_pretrained(DEMO.architecture)
    expected = direct_similarities(
        model.eval(), preprocess, open_clip.get_tokenizer(DEMO.architecture), rows
    )
    scores = score(rows, demo_scorer())
    assert [s.similarity for s in scores] == pytest.approx(expected, abs=1e-5)
    assert min(s.similarity for s in scores[:3]) > 0.7
    assert scores[3].similarity < 0.5


def test_a_model_with_its_own_text_tower_gives_open_clips_own_similarities(tmp_path):
    """Multilingual models have one whose tokens see each other both ways, so that nothing may be
    cut.
    """
    settings = small_model(tmp_path / "multilingual", {"no_causal_mask": True}, custom_text=True)
    rows = [
        row(n, caption=text)
        for n, text in enumerate(["猫の写真です", "ein roter Stern auf blauem Grund", "x " * 1500])
    ]
    model, preprocess = open_clip.create_model_from_pretrained(settings.architecture)
    expected = direct_similarities(
        model.eval(), preprocess, open_clip.get_tokenizer(settings.architecture), rows
    )
    scores = score(
        rows,
        make_scorer(
            load_encoder(
                settings, identify(settings), EncoderSettings(batch_size=2, precision="fp32")
            )
        ),
    )
    assert [s.similarity for s in scores] == pytest.approx(expected, abs=1e-5)


def test_neither_order_nor_company_nor_processes_change_a_bit():
    rows = [row(n) for n in range(8)]
    together = {s.key: s.similarity for s in score(rows, demo_scorer(batch_size=3))}
    backwards = {s.key: s.similarity for s in score(rows[::-1], demo_scorer(batch_size=3))}
    alone = {s.key: s.similarity for one in rows for s in score([one], demo_scorer(batch_size=3))}
    other = Processes(1)
    in_one_process = {
        s.key: s.similarity for s in score(rows, demo_scorer(batch_size=3, processes=other))
    }
    other.close()
    assert together == backwards == alone == in_one_process
    small = {s.key: s.similarity for s in score(rows, demo_scorer(batch_size=1))}
    assert small == pytest.approx(together, abs=1e-6)


def test_scores_come_in_the_order_of_the_pairs():
    rows = [row(3), row(0, status="timeout"), row(1)]
    scores = score(rows, demo_scorer())
    assert [s.key for s in scores] == [pair.key for pair, _ in rows]
    assert [s.status for s in scores] == ["ok", "no_image", "ok"]
    assert scores[1].similarity is None


def test_a_picture_that_cannot_be_decoded_fails_alone():
    contents = {**CONTENTS, "bad": b"junk"}

    def read(image):
        if image.sha256 == "gone":
            raise OSError("the store is broken")
        return contents[image.sha256]

    scores = score(
        [row(0), row(1, sha256="bad"), row(2, sha256="gone"), row(3)], demo_scorer(), read
    )
    assert [s.status for s in scores] == ["ok", "undecodable", "unreadable", "ok"]


def die(*_):
    os.kill(os.getpid(), signal.SIGSEGV)


class Killing(Processes):
    """One picture is the end of whoever decodes it."""

    def submit(self, function, *arguments):
        return super().submit(die if arguments[0] == b"deadly" else function, *arguments)


def test_a_picture_that_kills_the_decoder_takes_nothing_with_it():
    contents, processes = {**CONTENTS, "deadly": b"deadly"}, Killing(2)
    rows = [row(0), row(1, sha256="deadly"), row(2), row(3)]
    scores = score(rows, demo_scorer(processes=processes), lambda image: contents[image.sha256])
    processes.close()
    assert [s.status for s in scores] == ["ok", "decoder_crashed", "ok", "ok"]


def test_a_similarity_that_is_no_number_is_not_published():
    scorer = demo_scorer()
    scorer.encoders["m"].model.encode_image = lambda rows: torch.full((len(rows), 64), float("nan"))
    assert {s.status for s in score([row(n) for n in range(3)], scorer)} == {
        "similarity_not_finite"
    }


def test_each_distinct_picture_and_caption_goes_through_the_model_once():
    scorer = demo_scorer(batch_size=8)
    rows = [row(n, sha256=f"{n % 2:064x}", caption=CAPTIONS[n % 3]) for n in range(12)]
    score(rows, scorer)
    assert scorer.encoders["m"].meter.batches == [3, 2], "3 captions, 2 pictures"
    score(rows, scorer)
    assert scorer.encoders["m"].meter.batches == [3, 2], (
        "captions and pictures are kept between parts"
    )


def test_a_picture_that_is_known_gets_the_score_of_one_that_is_new():
    looked = []
    options = {
        "detect_from": 0.7,
        "observe_picture": lambda picture: {"looked": looked.append(picture.image.size) or True},
        "keep_embeddings": True,
    }
    scorer = demo_scorer(**options)
    rows = [row(0), row(1), row(2, status="timeout"), row(3)]
    first = score(rows, scorer)
    assert score(rows, scorer) == first == score(rows[::-1], demo_scorer(**options))[::-1]
    assert len(looked) == 2 * sum("looked" in (s.evidence or {}) for s in first), (
        "what detectors found is kept too"
    )


def test_detectors_look_at_a_known_picture_when_a_better_caption_comes():
    looked = []
    scorer = demo_scorer(
        detect_from=0.7, observe_picture=lambda picture: {"looked": looked.append(1) or True}
    )
    plain = score([row(0, caption="nothing of the kind")], scorer)
    good, poor = (
        score([row(0), row(0, caption="nothing of the kind")], scorer),
        score([row(0, caption="nothing of the kind")], scorer),
    )
    assert "looked" not in plain[0].evidence
    assert "looked" in good[0].evidence
    assert poor == plain, "what came before changes nothing"
    assert looked == [1]


def test_a_detector_that_failed_is_asked_again():
    answers = iter([ZeroDivisionError(), {"looked": True}])

    def look(picture):
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    scorer = demo_scorer(detect_from=0.7, observe_picture=look)
    assert score([row(0)], scorer)[0].errors == ("ZeroDivisionError",)
    assert score([row(0)], scorer)[0].evidence == {"looked": True}


def test_a_detector_that_takes_too_long_fails_alone():
    released = threading.Event()

    def look(picture):
        released.wait(20)
        return {"looked": True}

    scorer = demo_scorer(detect_from=0.7, observe_picture=look, detect_timeout_s=0.05)
    try:
        assert score([row(0)], scorer)[0].errors == ("TimeoutError",)
    finally:
        released.set()


def test_detectors_see_pictures_that_could_be_published_alone():
    seen = []

    def look(picture: Picture):
        seen.append(picture.image.size)
        return {"looked": True}

    def embed(embedding: Embedding):
        texts = embedding.text_vectors(("a star", "a car"))
        return {
            "like_star": float(texts[0] @ embedding.vector),
            "length": float(np.linalg.norm(embedding.vector)),
        }

    scores = score(
        [row(0), row(1, caption="nothing of the kind")],
        demo_scorer(detect_from=0.7, observe_picture=look, observe_embedding=embed),
    )
    assert seen == [(96, 96)]
    assert "looked" in scores[0].evidence
    assert "looked" not in scores[1].evidence
    assert scores[1].evidence["length"] == pytest.approx(1, abs=1e-5)


def test_a_detector_that_raises_is_named_on_its_rows():
    def broken(embedding):
        raise ZeroDivisionError("private words")

    scores = score([row(0), row(1, status="timeout")], demo_scorer(observe_embedding=broken))
    assert scores[0].errors == ("ZeroDivisionError",)
    assert scores[1].errors == ()


def test_embeddings_are_kept_when_asked_for():
    (kept,) = score([row(0)], demo_scorer(keep_embeddings=True))
    assert len(kept.embedding) == 64
    (not_kept,) = score([row(0)], demo_scorer())
    assert not_kept.embedding is None


def test_odd_sizes():
    contents = {
        "1x1": png(PillowImage.new("RGB", (1, 1), "red")),
        "1x20": png(PillowImage.new("RGB", (1, 20))),
        "1x5000": png(PillowImage.new("RGB", (1, 5000))),
    }
    scores = score(
        [row(n, sha256=name) for n, name in enumerate(contents)],
        demo_scorer(),
        lambda image: contents[image.sha256],
    )
    assert [s.status for s in scores] == ["ok", "ok", "aspect_ratio"]


def test_long_and_odd_captions():
    scores = score(
        [
            row(n, caption=text)
            for n, text in enumerate(["x " * 1500, "猫の写真です", "🎉🎉🎉🎉🎉"])
        ],
        demo_scorer(),
    )
    assert all(-1 <= s.similarity <= 1 for s in scores)


@dataclass(frozen=True)
class DropSmall:
    """Drops pictures that a cheap detector found small."""

    name = "small"
    version = 1
    reads = ("small",)
    actions = (Action.DROP,)
    saves_request = False

    def judge(self, evidence):
        if evidence["small"]:
            yield Decision(Action.DROP, "small")


def costly_scorer(read, small=False, costly_from=0.7, **options):
    def look(picture):
        read.append(1)
        return {"text": True}

    costly = Costly(look, frozenset({"text"}), Prospects(costly_from, {"digest": DropSmall()}))
    return demo_scorer(
        detect_from=-1.0,
        observe_picture=lambda picture: {"small": small},
        costly=costly,
        **options,
    )


def test_costly_detectors_look_where_a_pair_may_be_published_alone():
    read = []
    good, poor = score([row(0), row(1, caption="nothing of the kind")], costly_scorer(read))
    assert read == [1]
    assert (good.evidence, good.spared_by) == ({"small": False, "text": True}, None)
    assert (poor.evidence, poor.spared_by) == ({"small": False}, "similarity")
    assert poor.looked_at


@pytest.mark.parametrize("options", [{}, {"small": True}, {"costly_from": -1.0}])
def test_which_pairs_of_a_picture_are_scored_together_does_not_show(options):
    """As parts are divided among workers in one way or another."""
    (good_pair, image) = row(0)
    captions = (good_pair.caption, "nothing of the kind", "a car", good_pair.caption)
    rows = [row(n, sha256=image.sha256, caption=caption) for n, caption in enumerate(captions)]

    def scored_in(*divisions):
        scorer = replace(costly_scorer([], **options), detect_from=0.5)
        return [one for division in divisions for one in score(division, scorer)]

    together = scored_in(rows)
    assert together == [one for each in rows for one in scored_in([each])]
    assert together == scored_in(rows[:2], rows[2:])
    assert together[::-1] == scored_in(rows[::-1])
    assert {one.looked_at for one in together} == {False, True}


def test_costly_detectors_do_not_look_at_what_a_rule_drops():
    read = []
    (spared,) = score([row(0)], costly_scorer(read, small=True))
    assert read == []
    assert (spared.evidence, spared.spared_by) == ({"small": True}, "digest")


def test_costly_detectors_look_at_a_known_picture_when_a_better_caption_comes():
    read = []
    scorer = costly_scorer(read)
    poor_row = row(0, caption="nothing of the kind")
    (before,) = score([poor_row], scorer)
    (good,) = score([row(0)], scorer)
    (after,) = score([poor_row], scorer)
    assert "text" in good.evidence
    assert before == after, "what came before changes nothing"
    assert score([row(0)], scorer) == [good]
    assert read == [1]


def test_evidence_of_a_caption_is_that_of_each_pair():
    evidence = {"letters": PerCaption(len), "same": 1}
    scorer = demo_scorer(detect_from=-1.0, observe_picture=lambda picture: evidence)
    first, second = score([row(0, caption="abc"), row(0, caption="abcdef")], scorer)
    assert (first.evidence["letters"], second.evidence["letters"]) == (3, 6)
    broken = {"letters": PerCaption(lambda caption: 1 / 0)}
    scorer = demo_scorer(detect_from=-1.0, observe_picture=lambda picture: broken)
    assert score([row(0)], scorer)[0].errors == ("ZeroDivisionError",)


def test_pictures_are_read_in_the_order_in_which_they_lie():
    """An object store then sends several of an archive at once."""
    places = [("b", 7), ("a", 90), ("b", 3), ("a", 100)]
    rows = []
    for number, (archive, offset) in enumerate(places):
        pair, image = row(number)
        rows.append((pair, replace(image, warc_file=archive, record_offset=offset)))
    read = []

    def content(image):
        read.append((image.warc_file, image.record_offset))
        return CONTENTS[image.sha256]

    score(rows, demo_scorer(), content)
    assert read == sorted(places)


def test_all_models_share_the_threads_of_a_worker():
    settings = ScoreSettings(
        models={"one": DEMO, "other": DEMO},
        identities={"one": identify(DEMO), "other": identify(DEMO)},
        routes={"en": "one", "multi": "other", "nolang": "other"},
        encoder=EncoderSettings(batch_size=2, precision="fp32"),
        decode_processes=1,
        decode=DECODE,
        looking=Looking(),
        detect_timeout_s=60,
        keep_embeddings=False,
        archive=ArchiveSettings(1),
    )
    threads = torch.get_num_threads()
    scorer = load_scorer(settings, ())
    torch.set_num_threads(threads)
    computing = threading.Lock()

    def alone(encode, rows):
        assert computing.acquire(blocking=False), "another pass runs already"
        time.sleep(0.05)
        vectors = encode(rows)
        computing.release()
        return vectors

    for encoder in scorer.encoders.values():
        encoder.model.encode_image = partial(alone, encoder.model.encode_image)
    scores = score([row(n, subset=("en", "multi")[n % 2]) for n in range(8)], scorer)
    assert {found.status for found in scores} == {"ok"}
