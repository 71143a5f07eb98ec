from __future__ import annotations

import pytest

from benchmarks.medical import main

CAPTIONS = "CT scan of the thorax\n\nA red kite\n"


@pytest.fixture
def captions(tmp_path):
    path = tmp_path / "captions.txt"
    path.write_text(CAPTIONS, "utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("arguments", "goal", "wrong"),
    [
        (["--expect", "medical"], "goal medical_given_medical 0.5000 >= 0.85", "A red kite"),
        (["--expect", "everyday"], "goal medical_given_everyday 0.5000 <= 0.0045", "CT scan"),
        (
            ["--expect", "medical", "--goal", "0.5", "--language", "en"],
            "goal medical_given_medical 0.5000 >= 0.5",
            "A red kite",
        ),
    ],
)
def test_captions_of_others(captions, capsys, arguments, goal, wrong):
    main(["--captions", captions, "--show", *arguments])
    printed = capsys.readouterr().out
    assert goal in printed.splitlines()
    assert "captions.txt: 2 captions" in printed
    assert "drop 1, tag 0, publish 1" in printed
    (listed,) = [line for line in printed.splitlines() if line.startswith("'")]
    assert wrong in listed


def test_captions_that_are_medical_after_all_are_not_false(captions, tmp_path, capsys):
    listed = tmp_path / "after_all.txt"
    listed.write_text("CT scan of the thorax\n", "utf-8")
    options = ["--captions", captions, "--expect", "everyday", "--show"]
    main([*options, "--medical-after-all", str(listed)])
    printed = capsys.readouterr().out
    assert "falsely flagged 0 of 2" in printed
    assert "goal medical_given_everyday 0.0000 <= 0.0045" in printed
    assert "'CT scan" not in printed


def test_captions_are_not_listed_unasked(captions, capsys):
    main(["--captions", captions, "--expect", "medical"])
    assert "kite" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["--captions", "x"], ["--expect", "medical"], ["--language", "xx"],
        ["--captions", "x", "--expect", "medical", "--medical-after-all", "y"],
    ],
)  # fmt: skip
def test_wrong_options(arguments, capsys):
    with pytest.raises(SystemExit):
        main(arguments)
    assert "error" in capsys.readouterr().err


def test_an_empty_file(tmp_path):
    empty = tmp_path / "empty.txt"
    empty.write_text("\n", "utf-8")
    with pytest.raises(SystemExit, match="holds no caption"):
        main(["--captions", str(empty), "--expect", "medical"])
