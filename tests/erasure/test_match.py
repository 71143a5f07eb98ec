from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from random import Random

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from demo.pictures import picture
from demo.scenes import Scene
from pairsieve.erasure.match import Matcher
from pairsieve.erasure.requests import Request, parse_request
from pairsieve.erasure.tombstones import (
    NoTombstones,
    Tombstones,
    make_keys,
    read_tombstones,
    rotate_keys,
    write_tombstones,
)
from pairsieve.images.pdq import ALIKE, distance, nearest, orientations, orientations_of, pdq
from tests.support.paths import REPOSITORY

PICTURE = picture(Scene("house", "red", "green"), Random(1), 256)
HASH = pdq(PICTURE)[0].hex()
ROWS = pa.table(
    {
        "key": ["00" * 16, "11" * 16, "22" * 16, None],
        "URL": [
            "https://a.example/x/1.jpg",
            "https://cdn.b.example/2.jpg?w=1",
            "http://A.example:80/~anna/3.jpg",
            "not a url",
        ],
        "final_url": [None, "https://c.example/moved.jpg", None, None],
        "page_url": ["https://p.example/", "https://p.example/two", "https://a.example/", None],
        "sha256": ["ab" * 32, None, "cd" * 32, None],
        "md5": ["ef" * 16, None, None, None],
        "pdq": [HASH, None, "0f" * 32, "short"],
    }
)
CASES = [
    ({"image_url": "https://a.example/x/1.jpg"}, [0]),
    ({"image_url": "HTTPS://A.example:443/x/y/../1.jpg"}, [0]),
    ({"image_url": "https://c.example/moved.jpg"}, [1]),
    ({"image_url": "http://a.example/~anna/3.jpg"}, [2]),
    ({"image_url": "https://a.example/"}, []),
    ({"page_url": "https://p.example"}, [0]),
    ({"domain": "a.example"}, [0, 2]),
    ({"domain": "b.example"}, [1]),
    ({"domain": "c.example"}, [1]),
    ({"domain": "p.example"}, [0, 1]),
    ({"domain": "xa.example"}, []),
    ({"prefix": "a.example/~anna/"}, [2]),
    ({"prefix": "a.example/x"}, [0]),
    ({"prefix": "a.example/~ann"}, []),
    ({"sha256": "CD" * 32}, [2]),
    ({"md5": "ef" * 16}, [0]),
    ({"key": "11" * 16}, [1]),
    ({"pdq": HASH}, [0]),
    ({"pdq": "0f" * 31 + "00"}, [2]),
]


@pytest.mark.parametrize(("asked", "rows"), CASES)
def test_rows_that_match(asked, rows):
    assert sorted(Matcher([parse_request(json.dumps(asked))]).find(ROWS)) == rows


def test_all_requests_at_once():
    found = Matcher([parse_request(json.dumps(asked)) for asked, _ in CASES]).find(ROWS)
    expected = {row: {n for n, (_, rows) in enumerate(CASES) if row in rows} for row in range(3)}
    assert found == expected


def test_columns_that_are_missing_find_nothing():
    table = ROWS.select(["URL"])
    assert Matcher([parse_request(json.dumps({"sha256": "cd" * 32}))]).find(table) == {}
    assert sorted(Matcher([parse_request(json.dumps({"domain": "a.example"}))]).find(table)) == [
        0,
        2,
    ]
    assert (
        Matcher([parse_request(json.dumps({"domain": "a.example"}))]).find(table.slice(0, 0)) == {}
    )


@pytest.mark.parametrize("turn", list(Image.Transpose))
def test_turned_and_mirrored_pictures_are_known_again(turn):
    turned = pdq(PICTURE.transpose(turn))[0]
    assert turned in orientations_of(PICTURE)
    by_hash = min(distance(turned, one) for one in orientations(bytes.fromhex(HASH)))
    assert by_hash <= 60, "a drawing; two pictures that have nothing in common differ in 128 bits"


@pytest.mark.parametrize("turn", list(Image.Transpose))
def test_turned_and_mirrored_photographs_are_known_by_their_hash_alone(turn):
    data = pytest.importorskip("skimage.data", reason="scikit-image carries photographs")
    for name in ("astronaut", "coffee", "cat", "rocket"):
        photo = Image.fromarray(getattr(data, name)())
        turned = pdq(photo.transpose(turn))[0]
        assert min(distance(turned, one) for one in orientations(pdq(photo)[0])) <= ALIKE


def test_flat_pictures_have_no_hash():
    assert orientations_of(Image.new("RGB", (100, 100), "white")) == ()


def test_nearest_of_nothing():
    import numpy as np

    assert list(nearest(np.zeros((2, 32), np.uint8), np.zeros((0, 32), np.uint8))) == [256, 256]


@pytest.fixture
def folder(tmp_path):
    make_keys(str(tmp_path / "erased"))
    return str(tmp_path / "erased")


ASKED = [parse_request(json.dumps(asked)) for asked, _ in CASES]
ERASED = {
    "URL": "https://a.example/x/1.jpg",
    "final_url": None,
    "sha256": "aa" * 32,
    "md5": "bb" * 16,
    "orientations": [HASH],
}


def check(stones: Tombstones) -> None:
    assert stones.has("image_url", "https://a.example/x/1.jpg")
    assert stones.has("page_url", "https://p.example/")
    assert stones.has_place("https://www.b.example/anything")
    assert stones.has_place("http://a.example/~anna/new.jpg")
    assert not stones.has_place("https://d.example/")
    assert stones.has("sha256", "aa" * 32)
    assert stones.has("md5", "bb" * 16)
    assert not stones.has("sha256", "00" * 32)
    assert not stones.has("sha256", None)
    assert stones.alike({"pdq": HASH}) == 0
    assert stones.alike({"pdq": "a5" * 32}) is None
    assert stones.alike({"pdq": None}) is None
    assert stones.alike({"pdq": "a5" * 32, "pdq_trimmed": HASH}) == 0, "a border was added"


def test_tombstones(folder):
    write_tombstones(folder, read_tombstones(folder).adding(ASKED, [ERASED]))
    check(read_tombstones(folder))


def test_tombstones_lead_back_to_nothing(folder, tmp_path):
    write_tombstones(folder, read_tombstones(folder).adding(ASKED, [ERASED]))
    text = (tmp_path / "erased" / "tombstones.json").read_text()
    assert "example" not in text
    assert "aa" * 32 not in text
    assert (tmp_path / "erased" / "tombstones.json").stat().st_mode & 0o077 == 0
    assert (tmp_path / "erased" / "keys.json").stat().st_mode & 0o077 == 0


def test_tombstones_of_the_key_before_still_count(folder):
    write_tombstones(folder, read_tombstones(folder).adding(ASKED, [ERASED]))
    before = read_tombstones(folder).keys[0].id
    new = rotate_keys(folder)
    stones = read_tombstones(folder)
    assert [key.id for key in stones.keys] == [new, before]
    check(stones)
    write_tombstones(folder, stones.adding([parse_request('{"domain": "later.example"}')], []))
    assert read_tombstones(folder).has_place("https://later.example/")
    with pytest.raises(NoTombstones, match="only two secrets"):
        rotate_keys(folder)


def test_unreadable_tombstones_stop(folder, tmp_path):
    with pytest.raises(NoTombstones, match="what was erased would come back"):
        read_tombstones(str(tmp_path / "none"))
    (tmp_path / "erased" / "tombstones.json").write_text("{")
    with pytest.raises(NoTombstones):
        read_tombstones(folder)
    (tmp_path / "erased" / "tombstones.json").write_text('{"tokens": {"other": ["00"]}, "pdq": []}')
    with pytest.raises(NoTombstones, match="under the key other"):
        read_tombstones(folder)


def test_the_digest_of_tombstones_is_the_same_in_every_process(tmp_path):
    """It is in the manifest, and in the fingerprint of publish."""
    folder = str(tmp_path / "stones")
    make_keys(folder)
    keys = read_tombstones(folder).keys
    tokens = {keys[0].id: frozenset(f"{number:032x}" for number in range(50))}
    write_tombstones(folder, Tombstones(keys, tokens))
    code = "import sys; from filters.erasure import Erasure; print(Erasure(sys.argv[1]).prepare())"
    digests = set()
    for seed in ("1", "2", "3"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", code, folder]
        ran = subprocess.run(
            command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=True
        )
        digests.add(ran.stdout)
    assert len(digests) == 1


LABELS = st.sampled_from(["a", "B", "named", "example", "xnamed", "7", "0x7f"])
HOSTS = st.tuples(
    st.lists(LABELS, min_size=1, max_size=8).map(".".join), st.sampled_from(["", "."])
)


@given(st.lists(HOSTS.map("".join), min_size=1, max_size=20), st.sampled_from([100, 0]))
def test_looking_at_ends_leaves_no_host_out(hosts, max_ends):
    """What is right is said by the labels of each host."""
    requests = [
        {"domain": "named.example"},
        {"domain": "127.0.0.7"},
        {"page_url": "http://a.example/"},
    ]
    matcher = Matcher([parse_request(json.dumps(request)) for request in requests])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pairsieve.erasure.match.MAX_ENDS", max_ends)
        are_named = matcher._are_named(pa.array(hosts))
    assert are_named.tolist() == [matcher._names_host(host) for host in hosts]


LETTERS = st.text("0afAFz", max_size=4)


@given(st.text("0af", min_size=1, max_size=4), LETTERS, LETTERS)
def test_a_range_is_ruled_out_where_no_spelling_lies_in_it(value, least, most):
    matcher = Matcher([Request("key", (value,))])
    spellings = map("".join, itertools.product(*({c, c.upper()} for c in value)))
    expected = any(least <= spelling <= most for spelling in spellings)
    assert matcher.may_match("key", least, most) == expected


def test_ranges_hold_all_that_a_search_finds():
    """Arrow makes a small letter of ASCII of some capital letters that are not of ASCII."""
    points = (point for point in range(0x110000) if not 0xD800 <= point < 0xE000)
    cells = pa.array(map(chr, points))
    small = pc.utf8_lower(cells)
    ascii_letters = pc.match_substring_regex(small, "^[a-z]$")
    for cell in cells.filter(ascii_letters).to_pylist():
        (value,) = pc.utf8_lower(pa.array([cell])).to_pylist()
        matcher = Matcher([Request("key", (f"a{value}",))])
        assert matcher.find(pa.table({"key": [f"a{cell}"]})) == {0: {0}}
        assert matcher.may_match("key", f"a{cell}", f"a{cell}")


def test_long_values_are_ruled_out_in_linear_time():
    value = "ab" * 50_000
    matcher = Matcher([Request("key", (value,))])
    assert matcher.may_match("key", value, value)
    assert not matcher.may_match("key", value + "0", value + "1")
