"""The distribution: metadata, dependencies, and the entry points that Lading finds the plugins and their suites by."""

from pathlib import Path

from setuptools import setup

setup(
    name="lading-heic",
    version="1.0.0",
    description="Lets Lading, the image import service, take HEIC images and store them as JPEG",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.11",
    packages=["lading_heic"],
    package_data={"lading_heic": ["py.typed", "samples/*"]},
    install_requires=["lading", "pillow>=11.3", "pillow-heif>=1.4", "pydantic>=2.10"],
    extras_require={"test": ["lading[testing]"]},
    entry_points={
        "lading.detectors": ["heic = lading_heic.detector:HeicDetector"],
        "lading.processors": ["heic = lading_heic.processor:HeicProcessor"],
        "lading.suites": [
            "detect.heic = lading_heic.suite:HeicDetectorSuite",
            "process.heic = lading_heic.suite:HeicProcessorSuite",
        ],
    },
)
