"""The measured rates and the prices from which a run is estimated.

rates.yaml and prices.yaml beside this module hold them, and explain each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from pipeline.orchestrate.config_file import ConfigError

RATES, PRICES = (Path(__file__).parent / name for name in ("rates.yaml", "prices.yaml"))


@dataclass(frozen=True)
class Rates:
    """What one unit of work takes, as measured; pipeline/orchestrate/rates.yaml explains each rate.

    `core_s` holds seconds of one core by unit, `bytes` the size of each kind of row or file.
    """

    measured: Mapping[str, Any]
    warc_bytes_per_page: float
    warc_bytes_per_page_alone: float
    pairs_per_page: float
    archived_files_per_page: float
    kept_share: float
    core_s: Mapping[str, float]
    bytes: Mapping[str, float]


@dataclass(frozen=True)
class Prices:
    """What machines cost, and assumptions; pipeline/orchestrate/prices.yaml explains each."""

    currency: str
    core_hour: float
    gpu_hour: float
    gb_month: float
    gpu_pairs_per_s: float
    cores: int
    gpus: int
    pairs_per_host: float
    largest_host_share: float


def read_rates(path: str | Path = RATES) -> Rates:
    """Rates from a YAML file. Raises ConfigError."""
    rates: Rates = _read(path, Rates)
    return rates


def read_prices(path: str | Path = PRICES) -> Prices:
    """Prices from a YAML file. Raises ConfigError."""
    prices: Prices = _read(path, Prices)
    return prices


def _read(path: str | Path, record_type: Any) -> Any:
    try:
        settings = yaml.safe_load(Path(path).read_text())
        return TypeAdapter(record_type).validate_python(settings)
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read ({type(error).__name__})") from None
    except ValidationError as error:
        first = error.errors()[0]
        setting = ".".join(map(str, first["loc"]))
        raise ConfigError(
            f"{path}: {setting}: {first['msg']}; see {RATES.name} and {PRICES.name}"
        ) from None
