"""Count names of persons in captions, by a named-entity model.

Names are tagged and never lead to a drop or a redaction, because such models err in both
directions: spaCy's small English model found 13 of 14 names, and 7 of its 20 matches were wrong.

Only captions of some samples are searched: those that show a face, are medical, or hold other
personal data. There a name links the picture to a person.
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

MAX_CHARS = 2000  # of a caption that the model reads
PERSONAL_COLUMNS = (
    "face_count",
    "medical_terms",
    "page_medical_terms",
    "personal_spans",
    "personal_in_urls",
)
SPACY_PERSON_LABELS = ("PERSON", "PER")  # models of different languages use different labels
CountNames = Callable[[str], int]


@dataclass(frozen=True)
class PersonNames:
    """`person_names`: the number of names in a caption; empty where the caption was not searched.

    - `engine`: needs the extra of the same name.
    - `model`: an installed spaCy package for `language`, such as `en_core_web_sm`.
    - `min_score`: lowest score of a name, for presidio only.
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
        load_engine = load_spacy if self.engine == "spacy" else load_presidio
        count_names = load_engine(self)

        def observe(evidence: Readable) -> Evidence:
            if not is_about_a_person(evidence):
                return {"person_names": None}
            return {"person_names": count_names(evidence["caption"][:MAX_CHARS])}

        return observe


def is_about_a_person(evidence: Readable) -> bool:
    """Whether a sample shows a face, is medical, or holds other personal data."""
    return any(evidence.get(column) for column in PERSONAL_COLUMNS)


def load_spacy(settings: PersonNames) -> CountNames:
    """Load a spaCy model that counts entities labelled as persons.

    Raises MissingModel when spaCy or the model is not installed.
    """
    spacy = required("spacy", "spacy")
    try:
        # the parts of the pipeline that entities do not need
        network = spacy.load(
            settings.model, disable=["tagger", "parser", "lemmatizer", "attribute_ruler"]
        )
    except OSError:
        raise _missing_spacy_model(settings.model) from None

    def count_names(text: str) -> int:
        return sum(entity.label_ in SPACY_PERSON_LABELS for entity in network(text).ents)

    return count_names


def load_presidio(settings: PersonNames) -> CountNames:
    """Load Presidio's PERSON recogniser on a spaCy model.

    Raises MissingModel when Presidio, spaCy or the model is not installed.
    """
    analyzer = required("presidio_analyzer", "presidio")
    nlp_engines = required("presidio_analyzer.nlp_engine", "presidio")
    spacy = required("spacy", "presidio")
    # without this check Presidio would try to download the model
    if not spacy.util.is_package(settings.model):
        raise _missing_spacy_model(settings.model)
    configuration = {
        "nlp_engine_name": "spacy",
        "models": [{"lang_code": settings.language, "model_name": settings.model}],
    }
    provider = nlp_engines.NlpEngineProvider(nlp_configuration=configuration)
    engine: Any = analyzer.AnalyzerEngine(
        nlp_engine=provider.create_engine(), supported_languages=[settings.language]
    )

    def count_names(text: str) -> int:
        names = engine.analyze(
            text,
            language=settings.language,
            entities=["PERSON"],
            score_threshold=settings.min_score,
        )
        return len(names)

    return count_names


def _missing_spacy_model(model: str) -> MissingModel:
    return MissingModel(f"{model!r} is no installed spaCy model; install its package")
