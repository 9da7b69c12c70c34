"""Configuration: ``service.conf`` and the environment become ``Settings``, with every fault reported at once.

ini            text -> sections of text
environment    LADING_<SECTION>__<KEY> put over them
references     $env:NAME and $file:path become the values they refer to
fields         what options are made of
models         the typed model of every section: the one place where an option is declared
loader         all of that in order
components     the configured plugins, loaded, with their options
"""

from .components import Component, Components, load_components
from .faults import Fault, SettingsError
from .loader import load_all, load_settings
from .sections.service import (
    AuthSettings,
    DetectSettings,
    DocumentsSettings,
    FetchSettings,
    LimitsSettings,
    ServiceSettings,
    Settings,
    SqliteSettings,
    WorkerSettings,
)
from .sections.storage import ImagesSettings, StorageSettings

__all__ = [
    "AuthSettings",
    "Component",
    "Components",
    "DetectSettings",
    "DocumentsSettings",
    "Fault",
    "FetchSettings",
    "ImagesSettings",
    "LimitsSettings",
    "ServiceSettings",
    "Settings",
    "SettingsError",
    "SqliteSettings",
    "StorageSettings",
    "WorkerSettings",
    "load_all",
    "load_components",
    "load_settings",
]
