"""`python -m pipeline.run`: run the flow. `--help` teaches its options
(pipeline/commands/run.py).
"""

from __future__ import annotations

from pipeline.commands.run import main
from pipeline.process_end import run_and_end

if __name__ == "__main__":
    run_and_end(main)
