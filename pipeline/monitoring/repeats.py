"""Shows each message of workers once: one that fails on every row says the same each time."""

from __future__ import annotations

import logging

MAX_MESSAGES = 100
"""Different messages of one worker that are shown."""
LAST_MESSAGE = "further messages of this worker are not shown"
ABOUT_ROWS = "pairsieve.attempt"
"""The logger that says what has failed on a row, and why."""


class Messages:
    """The messages of one worker."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def shown_for(self, message: str) -> str | None:
        """What to show for a message; None if it was shown, or if too many others were."""
        if message in self._seen or len(self._seen) > MAX_MESSAGES:
            return None
        self._seen.add(message)
        return message if len(self._seen) <= MAX_MESSAGES else LAST_MESSAGE


class WithoutRepeats(logging.Filter):
    """Lets each message about a row through once, where this process is the worker."""

    def __init__(self) -> None:
        super().__init__()
        self._messages = Messages()

    def filter(self, record: logging.LogRecord) -> bool:
        # Everything else is said as often as it happens: a skipped line of a list, for example.
        if record.name != ABOUT_ROWS:
            return True
        shown = self._messages.shown_for(record.getMessage())
        if shown is None:
            return False
        record.msg, record.args = shown, None
        return True
