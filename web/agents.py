"""Crawlers that collect for AI training, by the names that publishers use in robots.txt and robots meta elements.

Source: the operators' own pages (OpenAI, Anthropic, Google, Apple, Meta, Amazon, ByteDance, Common Crawl, Cohere, Diffbot,
Webz.io, Hive, Ai2, Timpi, NICT) and img2dataset's user agent, as of 2025. In lower case.
"""

AI_AGENTS = (
    "ai2bot", "ai2bot-dolma", "amazonbot", "anthropic-ai", "applebot-extended", "bytespider", "ccbot", "chatgpt-user", "claude-web",
    "claudebot", "cohere-ai", "cohere-training-data-crawler", "diffbot", "facebookbot", "google-extended", "gptbot", "icc-crawler",
    "imagesiftbot", "img2dataset", "laiondownloader", "meta-externalagent", "omgili", "omgilibot", "pangubot", "timpibot",
    "webzio-extended",
)  # fmt: skip
