"""Tools of others that cannot live in our environment: they want older libraries than ours."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.support.paths import REPOSITORY

PEERS = REPOSITORY / ".tools" / "peers" / "bin" / "python"


def run_peer(code: str, *arguments: str) -> str:
    """What a program of theirs prints."""
    if not PEERS.exists():
        pytest.skip(
            "img2dataset and autofaiss are not installed; .ci/run puts them into .tools/peers"
        )
    environment = {**os.environ, "NO_ALBUMENTATIONS_UPDATE": "1"}
    ran = subprocess.run(
        [PEERS, "-c", code, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    return ran.stdout
