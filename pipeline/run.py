"""`python -m pipeline.run`: run the flow. `--help` teaches its options
(pipeline/commands/run.py).
"""

from __future__ import annotations

import sys

from pipeline.commands.run import main

if __name__ == "__main__":
    sys.exit(main())
