from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.privacy import PersonalData, personal_spans
from filters.verdict import redact

CASES = [
    ("mail a.b+c@example.org now", "mail [EMAIL] now"),
    ("a@example.org", "[EMAIL]"),
    ("write to ana.silva (at) example (dot) org", "write to [EMAIL]"),
    ("ana [at] example.co.uk, please", "[EMAIL], please"),
    ("ana at home with a dot", "ana at home with a dot"),
    ("@handle and me@", "@handle and me@"),
    ("call +49 30 901820", "call [PHONE]"),
    ("+44 20 7946 0958 or +1 202-456-1111", "[PHONE] or [PHONE]"),
    ("Tel. (202) 456-1111", "Tel. [PHONE]"),
    ("Telefon 030 901820", "Telefon [PHONE]"),
    ("a red star, 12345", "a red star, 12345"),
    ("ISBN 978-3-16-148410-0", "ISBN 978-3-16-148410-0"),
    ("2026-11-23 and 23.11.2026", "2026-11-23 and 23.11.2026"),
    ("version 1.2.3.4", "version 1.2.3.4"),
    ("1920x1080 wallpaper 4000", "1920x1080 wallpaper 4000"),
    ("mail a@b.org call +49 30 901820", "mail [EMAIL] call [PHONE]"),
]


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


@pytest.mark.parametrize("action", ["redact", "drop"])
def test_rule(action):
    spans = ({"kind": "EMAIL", "start": 0, "end": 3}, {"kind": "PHONE", "start": 5, "end": 9})
    decisions = list(PersonalData(email=action, phone="redact").judge({"personal_spans": spans}))
    assert [(d.action, d.reason, len(d.spans)) for d in decisions] == [
        (action, "personal_data_email", 1),
        ("redact", "personal_data_phone", 1),
    ]
