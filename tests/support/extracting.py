"""Settings with which tests extract pairs from pages."""

from __future__ import annotations

from pairsieve.web.language import LanguageSettings
from pairsieve.web.text import CaptionSettings
from pairsieve.web.urls import UrlSettings
from transforms.extractor import ExtractSettings

SETTINGS = ExtractSettings(
    "best",
    CaptionSettings(5, 2000),
    UrlSettings(2000, 60, (".svg", ".gif"), ("tracker.example",)),
    LanguageSettings(5, 2000),
)
