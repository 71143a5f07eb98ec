"""Selects what is published of a run's config: public settings, and digests of private files.

pairsieve/records/privacy.py says which settings are public.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import is_dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from filters.registry import identity
from pairsieve.records.privacy import privacy_of
from pairsieve.web.addresses import is_address, is_allowed_address
from pairsieve.web.urls import absolute, has_credentials, host_of
from pipeline.orchestrate.stage_result import plain

if TYPE_CHECKING:
    from filters.detector import Detector
    from filters.rule import Rule
    from pairsieve.clip.settings import ModelIdentity, ModelSettings
    from pipeline.config import Config

WITHHELD = "(private)"
"""Replaces a public setting that names a place of the publisher's, as a local path."""
DIGESTS = ("content", "weights", "heads")
"""Settings under which `identity` has digests of files instead of their paths."""
_LOCAL_PATH = re.compile(r"[/~\\]|\.\.?[/\\]|[A-Za-z]:[/\\]|file:|local-dir:", re.IGNORECASE)
_INNER_NAMES = (
    "localhost", "local", "internal", "intranet", "lan", "home", "corp", "private", "home.arpa",
)  # fmt: skip
"""Ends of host names that no public server has: RFC 6762, appendix G; RFC 8375; ICANN."""
_DIGEST = re.compile(r"(?:sha256:)?[0-9a-f]{32,}")
_MODEL = re.compile(r"[\w.-]+@[0-9a-f]{16}")
PUBLIC_STORES = ("http", "https", "s3", "gs")
"""Schemes of URLs that name the same file for everybody."""


def public_part(settings: Any) -> dict[str, Any]:
    """The public settings of a dataclass, and those of the dataclasses in it.

    A dataclass under a public setting is published as a whole.
    """
    public = dict[str, Any]()
    for name, _, is_public in privacy_of(type(settings)):
        value = getattr(settings, name)
        if is_public:
            public[name] = shown(plain(value))
        elif is_dataclass(value):
            public[name] = public_part(value)
    return public


def public_config(config: Config, models: Mapping[str, ModelIdentity]) -> dict[str, Any]:
    """The public settings of a config, and name and open_clip tag of each model that was used."""
    public = {name: value for name, value in public_part(config).items() if value}
    public["score"]["models"] = {
        name: _public_model(config.score.models[name], model)
        for name, model in sorted(models.items())
    }
    return public


def _public_model(settings: ModelSettings, model: ModelIdentity) -> dict[str, Any]:
    """What the config says of a model; `models` of the manifest has the digest of its weights."""
    tag = _public_tag(settings, model)
    return {"architecture": shown(model.architecture), "pretrained": tag, "demo": settings.demo}


def _public_tag(settings: ModelSettings, model: ModelIdentity) -> str:
    """The tag where open_clip knows it; empty where it may be the path of a checkpoint."""
    # A model in a folder has no tag: spare it the seconds that importing open_clip takes.
    if not settings.pretrained:
        return ""
    import open_clip

    tags = open_clip.list_pretrained_tags_by_model(model.architecture)
    return settings.pretrained if settings.pretrained in tags else ""


def public_plugin(plugin: Detector | Rule) -> dict[str, Any]:
    """Name, version and public settings of a detector or rule, and digests of its files."""
    whole = identity(plugin)
    digests = {
        name: _digests(value) for name, value in whole["settings"].items() if name in DIGESTS
    }
    settings = digests
    # Where `content` stands for the settings, it is the digest of all of them.
    if "content" not in digests:
        settings = {**public_part(plugin), **digests}
    # In the order of the settings, so that equal runs have equal manifests.
    in_order = {name: settings[name] for name in whole["settings"] if name in settings}
    return {"name": whole["name"], "version": whole["version"], "settings": in_order}


def _digests(value: Any) -> Any:
    """Digests as they are, and the digest of any other value.

    A mapping has the digests of heads under the models that they were made for.
    """
    if isinstance(value, Mapping):
        of_models = {}
        for model, digest in value.items():
            name = model if _MODEL.fullmatch(model) else WITHHELD
            of_models[name] = _digests(digest)
        return of_models
    text = str(value)
    if not text or _DIGEST.fullmatch(text):
        return text
    return f"sha256:{sha256(text.encode()).hexdigest()}"


def public_input(path: str) -> str:
    """The name under which an input is published.

    A URL that is the same for everybody stands without its query, which may hold a signature. Of
    any other input the name of the file is published.
    """
    scheme = path.partition("://")[0] if "://" in path else ""
    without_query = path.partition("?")[0]
    is_public = "::" not in path and scheme in PUBLIC_STORES and not names_place(without_query)
    if is_public:
        return without_query
    # A question mark in a local path is part of the name.
    named = without_query if scheme else path
    return named.rstrip("/").rpartition("/")[2]


def shown(value: Any) -> Any:
    """A public value with WITHHELD in the place of texts that name a place of the publisher's."""
    if isinstance(value, Mapping):
        return {shown(name): shown(child) for name, child in value.items()}
    if isinstance(value, list):
        return [shown(child) for child in value]
    if isinstance(value, str) and names_place(value):
        return WITHHELD
    return value


def names_place(text: str) -> bool:
    """Whether a text names a local path, a network, credentials or a host that is not public."""
    text = text.strip()
    if _LOCAL_PATH.match(text) or "::" in text or _is_network(text) or has_credentials(text):
        return True
    if not text.startswith(("http://", "https://")):
        return False
    return not _is_public_host(host_of(absolute(text, "") or ""))


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _is_public_host(host: str) -> bool:
    if is_address(host):
        return is_allowed_address(host, ())
    # A name without a dot is one of the local network.
    is_inner = any(host == name or host.endswith(f".{name}") for name in _INNER_NAMES)
    return "." in host and not is_inner
