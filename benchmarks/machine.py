"""What several benchmarks say of the machine: its processor, the memory used, and goals."""

from __future__ import annotations

import os
import platform
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

# Flags that decide how fast bfloat16 is.
BF16_FLAGS = ("amx_bf16", "avx512_bf16")

Goals = dict[str, tuple[float, str, float]]
"""Name -> (measured value, "<=" or ">=", target)."""


def cpu() -> str:
    """Describe the processor, with its number of cores and its flags for bfloat16."""
    text = ""
    # Linux has this file; other systems have not.
    with suppress(OSError):
        text = Path("/proc/cpuinfo").read_text()
    name = platform.processor()
    for line in text.splitlines():
        if line.startswith("model name"):
            name = line.partition(":")[2].strip()
            break
    flags = [flag for flag in BF16_FLAGS if flag in text.split()]
    return f"{name}, {os.cpu_count()} cores, {' '.join(flags) or 'no bf16 flags'}"


def short_cpu() -> str:
    """Name the processor as Python does."""
    return platform.processor() or platform.machine()


def resident_bytes(process: psutil.Process) -> int:
    """Return the resident memory of a process; 0 if it has ended."""
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


class Memory:
    """The peak of resident memory, summed over this process and all processes below it.

    It is sampled every `interval_s` seconds while the block runs. With `children_only` this process
    does not count. `most` is in bytes; `most_of_this` is the peak of this process alone.
    """

    def __init__(self, interval_s: float = 0.5, children_only: bool = False) -> None:
        self.most = 0
        self.most_of_this = 0
        self._interval_s = interval_s
        self._children_only = children_only
        self._stop = threading.Event()

    def __enter__(self) -> Memory:
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        this_process = psutil.Process()
        while not self._stop.wait(self._interval_s):
            processes = this_process.children(recursive=True)
            if not self._children_only:
                processes.append(this_process)
            self.most_of_this = max(self.most_of_this, resident_bytes(this_process))
            total = sum(resident_bytes(process) for process in processes)
            self.most = max(self.most, total)


def print_goals(goals: Mapping[str, tuple[float, str, float]]) -> None:
    """Print one line for each goal."""
    for name, (value, sign, target) in goals.items():
        print(f"goal {name} {value:.3g} {sign} {target}")
