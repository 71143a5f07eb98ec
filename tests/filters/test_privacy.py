from __future__ import annotations

from collections import Counter
from typing import get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from filters.privacy.rule import PersonalData
from filters.privacy.spans import FINDERS, Kind, kinds_in_url, personal_spans
from filters.verdict import redact
from tests.support.marked_captions import found_and_missed, marked_captions

CASES = [
    ("mail a.b+c@example.org now", "mail [EMAIL] now"),
    ("a@example.org", "[EMAIL]"),
    ("write to ana.silva (at) example (dot) org", "write to [EMAIL]"),
    ("ana at example dot org", "[EMAIL]"),
    ("ana [at] example.co.uk, please", "[EMAIL], please"),
    ("ana at home with a dot", "ana at home with a dot"),
    ("logo@2x.png and @handle and me@", "logo@2x.png and @handle and me@"),
    ("call +49 30 901820", "call [PHONE]"),
    ("+44 20 7946 0958 or +1 202-456-1111", "[PHONE] or [PHONE]"),
    ("Tel. (202) 456-1111", "Tel. [PHONE]"),
    ("Telefon 030 901820", "Telefon [PHONE]"),
    ("tel ٠٣٠ ٩٠١٨٢٠", "tel [PHONE]"),
    ("a red star, 12345", "a red star, 12345"),
    ("ISBN 978-3-16-148410-0", "ISBN 978-3-16-148410-0"),
    ("2026-11-23 and 23.11.2026", "2026-11-23 and 23.11.2026"),
    ("version 1.2.3.4 at 93.184.216.34", "version 1.2.3.4 at [IP]"),
    ("1920x1080 wallpaper 4000", "1920x1080 wallpaper 4000"),
    ("mail a@b.org call +49 30 901820", "mail [EMAIL] call [PHONE]"),
    ("visa 4190592625362874", "visa [CARD]"),
    ("order 4190592625362874", "order 4190592625362874"),
    ("visa 4190592625362875", "visa 4190592625362875"),
    ("DE44500105175407324931", "[IBAN]"),
    ("DE45500105175407324931", "DE45500105175407324931"),
    ("DNI 12345678Z", "DNI [NATIONAL_ID]"),
    ("DNI 12345678A", "DNI 12345678A"),
    ("born 12 March 1985", "born [BIRTH_DATE]"),
    ("painted 12 March 1985", "painted 12 March 1985"),
    ("Lindenstraße 14", "[ADDRESS]"),
    ("die Lindenstraße 1914", "die Lindenstraße 1914"),
]
MARKED = marked_captions("personal_data.txt")


@pytest.mark.parametrize(("caption", "expected"), CASES)
def test_redaction(caption, expected):
    assert redact(caption, personal_spans(caption)) == expected


@pytest.mark.parametrize(("caption", "expected"), CASES)
def test_redaction_is_idempotent(caption, expected):
    assert redact(expected, personal_spans(expected)) == expected


@given(st.text(alphabet=st.sampled_from("ab1209 @.()+-[]dotat"), max_size=60))
def test_spans_are_in_order_and_inside(caption):
    spans = personal_spans(caption)
    assert all(0 <= span.start < span.end <= len(caption) for span in spans)
    assert all(first.end <= second.start for first, second in zip(spans, spans[1:], strict=False))
    redact(caption, spans)


@example(
    [
        "Anna, born 12 March 1985, call +44 113 496 0000",
        "anna.berger@example.org",
        "season 2013/2014 match",
    ],
    " ",
)
@given(
    st.lists(st.sampled_from([caption for caption, _ in MARKED]), min_size=1, max_size=4),
    st.sampled_from([" ", ", ", "; ", " - ", "\n"]),
)
def test_what_is_redacted_holds_no_more_personal_data(captions, between):
    caption = between.join(captions)
    redacted = redact(caption, personal_spans(caption))
    assert personal_spans(redacted) == []


@pytest.mark.parametrize("kind", sorted(FINDERS))
def test_recall_and_precision_on_the_frozen_set(kind):
    found, missed, false = Counter(), Counter(), Counter()
    for caption, marked in MARKED:
        counts = found_and_missed(personal_spans(caption), marked)
        for total, kinds in zip((found, missed, false), counts, strict=True):
            total.update(kinds)
    assert found[kind] >= 0.95 * (found[kind] + missed[kind])
    assert found[kind] >= 0.95 * (found[kind] + false[kind])
    assert found[kind] >= 8


@pytest.mark.parametrize(
    ("url", "kinds"),
    [
        ("https://a.example/anna.berger@example.org.jpg", {"EMAIL"}),
        ("https://a.example/p?mail=anna.berger%40example.org", {"EMAIL"}),
        ("https://a.example/?tel=%2B4930901820", {"PHONE"}),
        ("https://wa.me/4930901820", {"PHONE"}),
        ("https://a.example/DE44500105175407324931.png", {"IBAN"}),
        ("https://a.example/logo@2x.png", set()),
        ("https://medium.com/@anna/12345678901", set()),
        ("https://farm1.static.flickr.com/65/12345678@N00/167812.jpg", set()),
        ("https://a.example/2013/05/12/IMG_20130512_123456.jpg?w=1920&h=1080", set()),
        ("https://93.184.216.34/a.jpg", set()),
    ],
)
def test_what_urls_give_away(url, kinds):
    assert kinds_in_url(url) == kinds


@pytest.mark.parametrize("action", ["redact", "drop", "tag"])
def test_rule(action):
    spans = ({"kind": "EMAIL", "start": 0, "end": 3}, {"kind": "PHONE", "start": 5, "end": 9})
    rule = PersonalData(captions="redact", urls="drop", kinds={"EMAIL": action})
    decisions = list(rule.judge({"personal_spans": spans, "personal_in_urls": ("EMAIL",)}))
    assert [(d.action, d.reason, len(d.spans)) for d in decisions] == [
        (action, "personal_data_email", 1),
        ("redact", "personal_data_phone", 1),
        ("drop", "personal_data_in_url_email", 0),
    ]


def test_rule_takes_known_kinds_alone():
    with pytest.raises(ValidationError):
        TypeAdapter(PersonalData).validate_python(
            {"captions": "redact", "urls": "drop", "kinds": {"MAIL": "drop"}}
        )


def test_every_kind_has_a_finder():
    assert set(FINDERS) == set(get_args(Kind))
