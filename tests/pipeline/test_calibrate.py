from __future__ import annotations

import subprocess
import sys

import pytest

from pipeline.commands.calibrate import main
from pipeline.dataset.labels import curve, number_of, steps
from tests.support.paths import REPOSITORY
from tests.support.scoring import CONTENTS, row


@pytest.fixture
def labels(tmp_path):
    """Four pictures; the caption of the last one is that of another."""
    lines = ["path,label,caption"]
    for number in range(4):
        pair, image = row(number)
        (tmp_path / f"{number}.png").write_bytes(CONTENTS[image.sha256])
        lines.append(f"{number}.png,{int(number < 3)},{pair.caption}")
    (tmp_path / "broken.png").write_bytes(b"junk")
    path = tmp_path / "labels.csv"
    path.write_text("\n".join([*lines, "broken.png,1,nothing"]))
    return path


def test_a_score_that_tells_apart(labels, tmp_path, capsys):
    plot = tmp_path / "curve.svg"
    assert (
        main(
            [
                "--labels",
                str(labels),
                "--score",
                "similarity",
                "--at",
                "0.6",
                "--at",
                "1.5",
                "--plot",
                str(plot),
            ]
        )
        == 0
    )
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "4 pictures judged, 3 of them labelled 1; 1 not judged: undecodable"
    assert printed[2].split() == ["0.6000", "3", "1.000", "1.000"]
    assert printed[3].split() == ["1.5000", "0", "-", "0.000"]
    assert "<svg" in plot.read_text()


def test_the_score_of_any_detector(labels, capsys):
    assert main(["--labels", str(labels), "--score", "medical_picture_score"]) == 0
    assert main(["--labels", str(labels), "--score", "pdq_quality", "--at", "0"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[-1].split()[1:] == ["4", "0.750", "1.000"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\na.png,1\n", "pictures of one kind"),
        ("path,label\na.png,maybe\n", "line 2: give path and label"),
        ("file,label\na.png,1\n", "line 2: give path and label"),
        ("path,label\nmissing.png,1\nmissing.png,0\n", "cannot read the picture"),
    ],
)
def test_wrong_labels(text, message, tmp_path, capsys):
    path = tmp_path / "labels.csv"
    path.write_text(text)
    assert main(["--labels", str(path), "--score", "similarity"]) == 2
    assert message in capsys.readouterr().err


def test_missing_files_and_scores(labels, capsys):
    assert main(["--labels", "missing.csv", "--score", "similarity"]) == 2
    assert "cannot read the labels" in capsys.readouterr().err
    assert main(["--labels", str(labels), "--score", "punsafe"]) == 2
    assert "medical_picture_score" in capsys.readouterr().err


def test_precision_and_recall():
    points = curve([0.1, 0.4, 0.6, 0.9], [False, True, False, True], [0.0, 0.5, 0.95])
    assert [(p.flagged, p.precision, p.recall) for p in points] == [
        (4, 0.5, 1.0),
        (2, 0.5, 0.5),
        (0, None, 0.0),
    ]
    assert steps([0.5, 0.5]) == [0.5]


def test_evidence_as_numbers():
    evidence = {
        "terms": ("a", "b"),
        "seen": True,
        "title": "x",
        "prompt_scores": [{"group": "scan", "score": 0.25}],
    }
    found = [
        number_of(evidence, name)
        for name in (
            "terms",
            "seen",
            "title",
            "nothing",
            "prompt_scores.scan",
            "prompt_scores.other",
        )
    ]
    assert found == [2, 1, None, None, 0.25, None]


def test_the_help_loads_nothing_heavy():
    code = (
        "import sys, pipeline.commands.calibrate as c\ntry: c.main(['--help'])\nexcept "
        "SystemExit: pass\nassert 'torch' not in sys.modules"
    )
    assert (
        "labels.csv"
        in subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY
        ).stdout
    )
