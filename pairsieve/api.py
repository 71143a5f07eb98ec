"""Everything that the author of a plugin imports: `from pairsieve.api import Detector, Needs, ...`.

A plugin is a detector or a rule in a package of your own. Both are frozen dataclasses whose fields
are settings of a config.

- A detector adds evidence and never drops anything. It has `name`, `version`, `needs`, `columns`
  and `load()`, which returns the function that observes one subject. `Needs` says which subject.
- A rule reads evidence and answers with decisions. It has `name`, `version`, `reads`, `actions`,
  `saves_request` and `judge(evidence)`.

A config names a plugin by an entry point (groups `pairsieve.detectors` and `pairsieve.rules`) or as
`package.module:Class`. docs/example_plugin is a complete plugin. The full contracts are the
docstrings of `Detector` and `Rule`.

Import from here alone: the modules behind these names may move, and this one stays.
"""

from filters.detector import Columns, Detector, MissingModel, Needs, Observe, required
from filters.rule import Action, Decision, Readable, Rule, Span
from filters.subjects import Content, Embedding, Picture, Response
from pairsieve.records.page import Headers, Origin, Page, header
from pairsieve.records.pair import Evidence, Pair, PerImage
from pairsieve.records.privacy import Public
from pairsieve.web.html import ParsedPage, parse_page

__all__ = [  # noqa: RUF022 - in the order in which an author needs them
    # to write a detector
    "Detector",  # the contract: the members that a detector has
    "Needs",  # the subject that a detector needs; decides in which stage it runs
    "Columns",  # type of `columns`: name of each piece of evidence -> its Arrow type
    "Observe",  # type of what `load` returns: a function from one subject to its evidence
    "Evidence",  # type of what that function returns: column -> value
    "PerImage",  # a value in the evidence of a page that differs between its images
    "MissingModel",  # raise it in `load` when a model is missing; the run stops before it starts
    "required",  # imports a package of an extra, or raises MissingModel
    # to write a rule
    "Rule",  # the contract: the members that a rule has
    "Readable",  # type of the evidence that a rule reads: every column of one sample
    "Action",  # what a decision does: DROP, REDACT, MOVE or TAG
    "Decision",  # an action with its reason and score; `judge` yields them
    "Span",  # characters of a caption to redact, with the kind of what they hold
    # settings of both
    "Public",  # `limit: Public[int]` may be published; any other setting is private
    # subjects, in the order of Needs
    "ParsedPage",  # Needs.PAGE: a parsed HTML page
    "Pair",  # Needs.PAIR: an image URL with its caption, and where it was found
    "Response",  # Needs.RESPONSE: URL and headers of the response that carried an image
    "Content",  # Needs.CONTENT: the bytes of that response, not decoded
    "Picture",  # Needs.IMAGE: a decoded picture
    "Embedding",  # Needs.EMBEDDING: CLIP's vector of a picture, and what compares it with texts
    # to read pages, and to make them in tests
    "Page",  # a page as it was crawled: URL, headers and bytes
    "Origin",  # where in the crawl a page was found
    "Headers",  # type of HTTP headers: pairs of name and value, in the order of the server
    "header",  # the first value of a header
    "parse_page",  # ParsedPage of a Page
]
