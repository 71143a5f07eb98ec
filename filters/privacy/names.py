"""Names of persons in captions, by a model for entities: a tag and no more, since such models err
in both directions.

The small English model of spaCy found 13 of 14 names and was right 13 times of 20. It looks only at
captions of samples that show a face, are medical, or hold other personal data: there a name makes a
picture somebody's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import pyarrow as pa

from filters.detector import Columns, MissingModel, Needs, Observe, required
from filters.rule import Readable
from pairsieve.records.pair import Evidence
from pairsieve.records.privacy import Public

MAX_CHARS = 2000
CountNames = Callable[[str], int]


@dataclass(frozen=True)
class PersonNames:
    """`person_names`: how many names a caption holds; empty where nobody looked.

    `engine` needs the extra of its name; `model` is an installed spaCy package for `language`, as
    `en_core_web_sm`.
    """

    name: ClassVar[str] = "person_names"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs.EVIDENCE
    columns: ClassVar[Columns] = {"person_names": pa.int32()}

    model: str
    engine: Public[Literal["spacy", "presidio"]] = "spacy"
    language: Public[str] = "en"
    min_score: Public[float] = 0.5

    def load(self) -> Observe:
        load = load_spacy if self.engine == "spacy" else load_presidio
        count = load(self)

        def observe(evidence: Readable) -> Evidence:
            return {
                "person_names": count(evidence["caption"][:MAX_CHARS])
                if is_somebodys(evidence)
                else None
            }

        return observe


def is_somebodys(evidence: Readable) -> bool:
    """Whether there is a face, something medical, or other personal data."""
    return any(
        evidence.get(name)
        for name in (
            "face_count",
            "medical_terms",
            "page_medical_terms",
            "personal_spans",
            "personal_in_urls",
        )
    )


def load_spacy(settings: PersonNames) -> CountNames:
    """Entities that spaCy labels as persons. Raises MissingModel."""
    spacy = required("spacy", "spacy")
    try:
        network = spacy.load(
            settings.model, disable=["tagger", "parser", "lemmatizer", "attribute_ruler"]
        )
    except OSError:
        raise MissingModel(
            f"{settings.model!r} is no installed spaCy model; install its package"
        ) from None
    return lambda text: sum(entity.label_ in ("PERSON", "PER") for entity in network(text).ents)


def load_presidio(settings: PersonNames) -> CountNames:
    """Presidio's PERSON recogniser on the same model. Raises MissingModel."""
    analyzer, engines = (
        required("presidio_analyzer", "presidio"),
        required("presidio_analyzer.nlp_engine", "presidio"),
    )
    spacy = required("spacy", "presidio")
    if not spacy.util.is_package(settings.model):
        raise MissingModel(f"{settings.model!r} is no installed spaCy model; install its package")
    models = {
        "nlp_engine_name": "spacy",
        "models": [{"lang_code": settings.language, "model_name": settings.model}],
    }
    engine: Any = analyzer.AnalyzerEngine(
        nlp_engine=engines.NlpEngineProvider(nlp_configuration=models).create_engine(),
        supported_languages=[settings.language],
    )

    def count(text: str) -> int:
        return len(
            engine.analyze(
                text,
                language=settings.language,
                entities=["PERSON"],
                score_threshold=settings.min_score,
            )
        )

    return count
