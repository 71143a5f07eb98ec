"""The error that refuses a request of a visitor."""

from __future__ import annotations


class Refused(Exception):
    """The request is not answered.

    `status` is an HTTP status. `text` names a text of words.yaml, and `values` fill it in. After
    `retry_s` seconds the request may be tried again; 0 says nothing about it.
    """

    def __init__(self, status: int, text: str, *values: object, retry_s: int = 0) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.values = values
        self.retry_s = retry_s
