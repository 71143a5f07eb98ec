"""What is installed, and what Beam stages to workers with --setup_file."""

from pathlib import Path

from setuptools import find_packages, setup

PACKAGES = (
    "configs",
    "filters",
    "pairsieve",
    "pipeline",
    "transforms",
)
HERE = Path(__file__).parent
VERSION = next(
    line.split('"')[1]
    for line in (HERE / "pipeline" / "__init__.py").read_text().splitlines()
    if line.startswith("__version__")
)

setup(
    version=VERSION,
    packages=find_packages(
        include=[pattern for name in PACKAGES for pattern in (name, f"{name}.*")]
    ),
    package_data={
        "configs": ["*.yaml", "demo/*.warc.gz", "demo/clip/*"],
        "filters": ["*.yaml"],
        "filters.children": ["*.yaml", "*.txt"],
        "filters.documents": ["*.yaml"],
        "filters.medical": ["*.yaml", "*.txt", "*.tsv"],
        "filters.privacy": ["*.yaml"],
        "pairsieve.audit": ["templates/*", "static/*"],
        "pairsieve.explore": ["*.yaml", "templates/*", "static/*"],
        "pairsieve.web": ["*.yaml", "*.tsv"],
        "pipeline.dataset": ["*.j2"],
        "pipeline.orchestrate": ["*.yaml"],
    },
)
