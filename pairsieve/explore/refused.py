"""Why a request is not answered."""

from __future__ import annotations


class Refused(Exception):
    """The request is not answered.

    `text` names what the page says (words.yaml); `retry_s`: after how long it may be tried again.
    """

    def __init__(self, status: int, text: str, *values: object, retry_s: int = 0) -> None:
        super().__init__(text)
        self.status, self.text, self.values, self.retry_s = status, text, values, retry_s
