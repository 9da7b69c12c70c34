"""Configuration: ``service.conf`` and the environment become ``Settings``, with every fault reported at once.

ini            text -> sections of text
environment    LADING_<SECTION>__<KEY> put over them
references     $env:NAME and $file:path become the values they refer to
fields         what options are made of
models         the typed model of every section: the one place where an option is declared
loader         all of that in order
components     the configured plugins, loaded, with their options
"""

from service.settings.components import Component, Components, load_components
from service.settings.faults import Fault, SettingsError
from service.settings.loader import load_all, load_settings
from service.settings.models import (
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
from service.settings.storage_sections import ImagesSettings, StorageSettings

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
