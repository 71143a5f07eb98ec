"""What is installed, and what Beam stages to workers with --setup_file."""

from pathlib import Path

from setuptools import find_packages, setup

PACKAGES = (
    "archive",
    "clip",
    "configs",
    "erasure",
    "explore",
    "filters",
    "images",
    "links",
    "pipeline",
    "records",
    "search",
    "storage",
    "transforms",
    "web",
)
HERE = Path(__file__).parent
VERSION = next(
    line.split('"')[1] for line in (HERE / "pipeline" / "__init__.py").read_text().splitlines() if line.startswith("__version__")
)

setup(
    version=VERSION,
    packages=find_packages(include=[pattern for name in PACKAGES for pattern in (name, f"{name}.*")]),
    package_data={
        "configs": ["*.yaml", "demo/*.warc.gz", "demo/clip/*"],
        "pipeline": ["*.j2", "*.yaml"],
        "explore": ["*.yaml", "templates/*", "static/*"],
        "filters": ["*.yaml"],
        "filters.medical": ["*.yaml", "*.txt", "*.tsv"],
        "web": ["*.yaml"],
    },
)
