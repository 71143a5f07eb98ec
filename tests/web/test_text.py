from __future__ import annotations

from unicodedata import bidirectional, category

import ftfy
import pytest
from ftfy.chardata import LIGATURES, WIDTH_MAP
from hypothesis import given
from hypothesis import strategies as st

from pairsieve.web.text import (
    MAX_MARKS,
    CaptionSettings,
    caption_problem,
    clean_caption,
    mended_caption,
    storable,
    to_utf8,
    without_mojibake,
)


@pytest.mark.parametrize(
    ("payload", "content_type", "expected"),
    [
        ("größe".encode(), "text/html; charset=utf-8", "größe"),
        ("größe".encode("latin-1"), 'text/html; charset="ISO-8859-1"', "größe"),
        ("größe".encode("latin-1"), "text/html", "größe"),
        ("größe".encode(), "text/html", "größe"),
        ("“a”".encode("cp1252"), "text/html; charset=iso-8859-1", "“a”"),
        (b'<meta charset="windows-1251">' + "привет".encode("cp1251"), "text/html", "привет"),
        (
            b'<meta http-equiv="Content-Type" content="text/html; charset=shift_jis">'
            + "猫".encode("shift_jis"),
            "",
            "猫",
        ),
        (b"\xef\xbb\xbf" + "größe".encode(), "text/html; charset=latin-1", "größe"),
        ("größe".encode(), "text/html; charset=no-such-thing", "größe"),
        ("größe".encode(), "text/html; charset=utf\udcad8", "größe"),
        ("größe".encode("utf-16"), "text/html", "größe"),
        (b'<meta charset="utf-16">' + "größe".encode(), "text/html", "größe"),
        ("<p>Привет, мир. Фотография горы на рассвете".encode("cp1251"), "text/html", "рассвете"),
        ("<p>写真の山の夜明け、東京タワー".encode("shift_jis"), "text/html", "東京タワー"),
        ("<p>산의 사진 새벽 서울".encode("euc-kr"), "text/html", "서울"),
        ("<p>ภาพถ่ายของภูเขา กรุงเทพ".encode("cp874"), "text/html", "กรุงเทพ"),
        ("<p>Zdjęcie góry o świcie, łódź i żółw".encode("iso-8859-2"), "text/html", "żółw"),
        (
            "株式会社㈱山田の製品写真".encode("cp932"),
            "text/html; charset=Shift_JIS",
            "㈱山田の製品写真",
        ),
        (
            "株式会社".encode("euc_jp") + b"\xad\xea" + "山田の製品写真".encode("euc_jp"),
            "text/html; charset=EUC-JP",
            "株式会社㈱山田の製品写真",
        ),
        (
            b"<!-- <meta charset=big5> --><p>" + "привет".encode("cp1251"),
            "text/html;charset = x; charset='no'; charset=windows-1251",
            "привет",
        ),
        (b'<?xml version="1.0" encoding="koi8-r"?>' + "привет".encode("koi8-r"), "", "привет"),
        ("\ufeffgröße".encode("utf-16-be"), "text/html; charset=koi8-r", "größe"),
        ("größe".encode() + b"\xff", "text/html; charset=utf-8", "größe\ufffd"),
        # XML 1.0, 4.3.3: UTF-8 unless the declaration says something else
        ("<meta charset=koi8-r>größe".encode(), "application/xhtml+xml", "größe"),
        ("<meta charset=koi8-r>größe".encode(), "text/html", "größe".encode().decode("koi8-r")),
        (
            b"<?xml version='1.0' encoding='koi8-r'?>" + "привет".encode("koi8-r"),
            "application/xhtml+xml",
            "привет",
        ),
        # what is no UTF-8 is an error in XML: a page, by what it says of itself
        (
            b"<meta charset=koi8-r>" + "привет".encode("koi8-r"),
            "application/xhtml+xml",
            "привет",
        ),
        ("größe €".encode()[:-1], "text/html", "größe \ufffd"),  # cut by a crawler
        ("größe €".encode()[:-1] + b" ", "text/html", " "),
        ("<p>café".encode("latin-1"), "text/html", "café"),
        ("<p>ภูเขายามเช้า ภาพถ่ายจากเชียงใหม่".encode("cp874"), "text/html", "เชียงใหม่"),
    ],
)
def test_to_utf8(payload, content_type, expected):
    assert to_utf8(payload, content_type).decode("utf-8", "replace").endswith(expected)


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("gbk", "手术前后照片，医院诊断。"),
        ("big5", "手術前後照片，醫院診斷。"),
        ("shift_jis", "手術前後の写真です。"),
        ("euc-jp", "手術前後の写真です。"),
        ("euc-kr", "수술 전후 사진입니다."),
    ],
)
@pytest.mark.parametrize("start", ["<p>", "<p> "])
def test_a_large_page_is_detected_wherever_its_first_bytes_end(start, encoding, text):
    """chardetng's documentation: a prefix is not to be given as if the stream ended there."""
    payload = (start + text * 6000).encode(encoding)
    assert text in to_utf8(payload, "text/html").decode()


@pytest.mark.parametrize(
    ("url", "encoding", "text"),
    [
        # chardetng's documentation: without a top-level domain it takes `com`
        ("https://a.lt/", "windows-1257", "Nuotrauka prieš ir po operacijos"),
        ("https://A.LT:443/x", "windows-1257", "Nuotrauka prieš ir po operacijos"),
        ("https://a.hu./", "iso-8859-2", "Műtét előtt és után"),
        ("https://a.com.tr/", "windows-1254", "Ameliyat öncesi"),
        ("https://a.рф/", "windows-1251", "Фото"),
        ("https://127.0.0.1/", "windows-1252", "größe"),
        ("https://[::1]/", "windows-1252", "größe"),
        ("", "windows-1252", "größe"),
        ("http://[", "windows-1252", "größe"),
    ],
)
def test_the_top_level_domain_tells_the_language(url, encoding, text):
    payload = f'<img alt="{text}">'.encode(encoding)
    assert text in to_utf8(payload, "text/html", url).decode()


@pytest.mark.parametrize(
    ("alt", "expected"),
    [
        ("  a \n red\t star ", "a red star"),
        ("schÃ¶n", "schön"),
        ("a\x00b\x07c", "abc"),
        ("a\u200bred", "ared"),
        ("猫の写真", "猫の写真"),
        ("", ""),
        ("می\u200cخواهم", "می\u200cخواهم"),  # Persian
        ("क्\u200dष", "क्\u200dष"),  # Devanagari
        ("a 👩\u200d👩\u200d👧 walk", "a 👩\u200d👩\u200d👧 walk"),
        ("❤\ufe0f葛\U000e0100", "❤\ufe0f葛\U000e0100"),  # variation selectors
        (
            "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
            "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        ),
        ("\u06dd١٢", "\u06dd١٢"),  # a number sign: a format character that is seen
        ("new \U0001fadf here", "new \U0001fadf here"),  # Unicode 16
        ("evil \u202egnp.exe\u202c \u2066x\u2069 \u200ea\u061c", "evil gnp.exe x a"),
        ("hid\U000e0068\U000e0069den", "hidden"),
        ("a\u200c\u200d\u200cb \u200c\u200d \u200c c", "a\u200cb c"),
        ("\ue000icon\uf8ff soft\xadhyphen\ufeff", "icon softhyphen"),
        ("line\u2028next\x1f", "line next"),
    ],
)
def test_clean_caption(alt, expected):
    assert clean_caption(alt) == expected


@pytest.mark.parametrize(
    ("caption", "problem"),
    [
        ("abcd", "caption_too_short"),
        ("abcde", None),
        ("x" * 10, None),
        ("x" * 11, "caption_too_long"),
        ("gr\ufffd\ufffde", "caption_undecodable"),
    ],
)
def test_caption_limits(caption, problem):
    assert caption_problem(caption, CaptionSettings(5, 10)) == problem


@given(st.text())
def test_clean_captions_hold_no_controls(alt):
    cleaned = clean_caption(alt)
    assert not {"Cc", "Cs", "Co", "Zl", "Zp"} & {category(c) for c in cleaned}
    assert not {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"} & {
        bidirectional(c) for c in cleaned
    }
    assert cleaned == " ".join(cleaned.split())


@given(st.binary(), st.text(max_size=30))
def test_decoding_never_raises(payload, content_type):
    assert isinstance(to_utf8(payload, content_type).decode("utf-8", "replace"), str)


@given(
    st.text(alphabet=st.characters(max_codepoint=0x17F), max_size=30)
    | st.text(alphabet="abc &;#x39\t\n\"'<>~^", max_size=20)
)
def test_plain_text_needs_no_mending(alt):
    assert clean_caption(alt) == mended_caption(alt)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\ud800b", "a\ufffdb"),
        ("\ud83d\ude00", "😀"),
        ("é", "é"),
        ("image/\udcff", "image/\ufffd"),
    ],
)
def test_storable(text, expected):
    assert storable(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "&" + "amp;" * 20 + "lt;",
        "&" + "amp;" * 5,
        "&#38;#38;#38;#38;#38;#38;amp;",
        "&amp;amp;eacute;",
    ],
)
def test_escapes_of_escapes_are_undone_as_ftfy_does(text):
    assert mended_caption(text) == ftfy.fix_text(text).strip()


# Letters that some step of ftfy's changes, and such as look like mojibake.
FTFY_LETTERS = st.sampled_from("".join(map(chr, (*LIGATURES, *WIDTH_MAP)))) | st.sampled_from(
    "\"'‘’‚“”„»«ÃâÂ€™©œ\x80\x85\x92\xa0\xad\ufffd\u2028\n\r\x1b[31m&;eé\u0301ΩЖкнИ漢한 "
)


@given(st.text(FTFY_LETTERS | st.characters(), max_size=30))
def test_mojibake_is_mended_as_ftfy_does(text):
    assert without_mojibake(text) == ftfy.fix_text(text)


@pytest.mark.parametrize("letter", [chr(code) for code in (*LIGATURES, *WIDTH_MAP, 0x85, 0x2028)])
def test_letters_that_ftfy_changes_are_not_passed_over(letter):
    text = f"é{letter}b"
    assert without_mojibake(text) == ftfy.fix_text(text) != text


def test_combining_marks_are_bounded_before_they_are_sorted():
    assert len(mended_caption("a" + "\u0316\u0301" * 4000)) <= MAX_MARKS + 1
    assert mended_caption("e\u0301" * 1000) == "é" * 1000
