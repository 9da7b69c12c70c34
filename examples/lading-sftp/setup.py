"""The distribution: metadata, dependencies and the entry points that Lading finds the fetcher and its suite by."""

from pathlib import Path

from setuptools import setup

setup(
    name="lading-sftp",
    version="1.0.0",
    description="Lets Lading, the image import service, fetch from SFTP servers",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.11",
    packages=["lading_sftp"],
    package_data={"lading_sftp": ["py.typed"]},
    install_requires=["lading", "asyncssh[bcrypt]>=2.24", "pydantic>=2.10"],
    extras_require={"test": ["lading[testing]"]},
    entry_points={
        "lading.fetchers": ["sftp = lading_sftp.fetcher:SftpFetcher"],
        "lading.suites": ["fetch.sftp = lading_sftp.suite:SftpFetcherSuite"],
    },
)
