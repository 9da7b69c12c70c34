"""The distribution: metadata, dependencies and the entry points that Lading finds the detector and its suite by."""

from pathlib import Path

from setuptools import setup

setup(
    name="lading-svg",
    version="1.0.0",
    description="Lets Lading, the image import service, take SVG images that hold nothing active",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.11",
    packages=["lading_svg"],
    package_data={"lading_svg": ["py.typed"]},
    install_requires=["lading", "pydantic>=2.10"],
    extras_require={"test": ["lading[testing]", "hypothesis>=6.100"]},
    entry_points={
        "lading.detectors": ["svg = lading_svg.detector:SvgDetector"],
        "lading.suites": ["detect.svg = lading_svg.suite:SvgSuite"],
    },
)
