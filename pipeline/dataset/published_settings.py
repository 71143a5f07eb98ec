"""What of a run's config is published: public settings (pairsieve/records/privacy.py), and of
private files their digests.
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
"""Stands for what names a place, where a public setting holds it nevertheless."""
DIGESTS = ("content", "weights", "heads")
"""What `identity` says of files: by what they hold, not by where they lie."""
_LOCAL_PATH = re.compile(r"[/~\\]|\.\.?[/\\]|[A-Za-z]:[/\\]|file:|local-dir:", re.IGNORECASE)
# RFC 6762, G; RFC 8375; ICANN
_INNER_NAMES = (
    "localhost",
    "local",
    "internal",
    "intranet",
    "lan",
    "home",
    "corp",
    "private",
    "home.arpa",
)
_DIGEST = re.compile(r"(?:sha256:)?[0-9a-f]{32,}")
_MODEL = re.compile(r"[\w.-]+@[0-9a-f]{16}")
PUBLIC_STORES = ("http", "https", "s3", "gs")  # names in them are the same for everybody


def public_part(settings: Any) -> dict[str, Any]:
    """The public settings of a dataclass, and those of the dataclasses in it.

    A public dataclass is public as a whole.
    """
    found = dict[str, Any]()
    for name, _, is_public in privacy_of(type(settings)):
        value = getattr(settings, name)
        if is_public:
            found[name] = shown(plain(value))
        elif is_dataclass(value):
            found[name] = public_part(value)
    return found


def public_config(config: Config, models: Mapping[str, ModelIdentity]) -> dict[str, Any]:
    """The public settings of a config, and of each model that was used its name and its open_clip
    tag.
    """
    found = {name: value for name, value in public_part(config).items() if value}
    found["score"]["models"] = {
        name: _public_model(config.score.models[name], model)
        for name, model in sorted(models.items())
    }
    return found


def _public_model(settings: ModelSettings, model: ModelIdentity) -> dict[str, Any]:
    """A checkpoint that is a file is named by its digest, under `models` of the manifest."""
    tag = _public_tag(settings, model)
    return {"architecture": shown(model.architecture), "pretrained": tag, "demo": settings.demo}


def _public_tag(settings: ModelSettings, model: ModelIdentity) -> str:
    """The tag, if open_clip knows it: then it is a name that everybody has, and no path."""
    if not settings.pretrained:
        return ""  # a model in a folder: open_clip, which takes seconds to import, is not needed
    import open_clip

    tags = open_clip.list_pretrained_tags_by_model(model.architecture)
    return settings.pretrained if settings.pretrained in tags else ""


def public_plugin(plugin: Detector | Rule) -> dict[str, Any]:
    """Name, version and public settings of a detector or rule; digests of the files that it was
    given.
    """
    known = identity(plugin)
    digests = {
        name: _digests(value) for name, value in known["settings"].items() if name in DIGESTS
    }
    settings = digests if "content" in digests else {**public_part(plugin), **digests}
    order = [name for name in known["settings"] if name in settings]
    return {
        "name": known["name"],
        "version": known["version"],
        "settings": {name: settings[name] for name in order},
    }


def _digests(value: Any) -> Any:
    """Digests as they are, and the digest of anything else; heads under the models that they were
    made for.
    """
    if isinstance(value, Mapping):
        return {
            (model if _MODEL.fullmatch(model) else WITHHELD): _digests(digest)
            for model, digest in value.items()
        }
    text = str(value)
    return (
        text
        if not text or _DIGEST.fullmatch(text)
        else f"sha256:{sha256(text.encode()).hexdigest()}"
    )


def public_input(path: str) -> str:
    """An input's name: URLs that are the same for everybody, without credentials and signatures; of
    all others the file's name.
    """
    scheme = path.partition("://")[0] if "://" in path else ""
    whole = path.partition("?")[0]
    if "::" in path or scheme not in PUBLIC_STORES or names_place(whole):
        return (whole if scheme else path).rstrip("/").rpartition("/")[2]
    return whole


def shown(value: Any) -> Any:
    """A public value without the places that it may name: local paths, addresses of networks, hosts
    that only some can reach.
    """
    if isinstance(value, Mapping):
        return {shown(name): shown(one) for name, one in value.items()}
    if isinstance(value, list):
        return [shown(one) for one in value]
    return WITHHELD if isinstance(value, str) and names_place(value) else value


def names_place(text: str) -> bool:
    """Whether a text is a local path, an address or network, or a URL of a host that is not
    public.
    """
    text = text.strip()
    if _LOCAL_PATH.match(text) or "::" in text or _is_network(text) or has_credentials(text):
        return True
    return text.startswith(("http://", "https://")) and not _is_public_host(
        host_of(absolute(text, "") or "")
    )


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _is_public_host(host: str) -> bool:
    if is_address(host):
        return is_allowed_address(host, ())
    return "." in host and not any(
        host == name or host.endswith(f".{name}") for name in _INNER_NAMES
    )
