"""Configuration: ``service.conf`` and the environment become ``Settings``, with every fault reported at once.

It may use ``secrets`` and ``models``, and the registry of plugins.
Begin with ``sections/``, which declares every option, then ``loader``, which reads the text (``ini``), applies the
environment (``environment``), resolves ``$env:`` and ``$file:`` (``references``) and validates. ``components`` loads
the configured plugins with their options.
"""

from .components import Component, Components, load_components
from .faults import Fault, SettingsError
from .loader import load_all, load_settings
from .sections.documents import DocumentsSettings, SqliteSettings
from .sections.service import AuthSettings, LimitsSettings, ServiceSettings, Settings
from .sections.storage import ImagesSettings, StorageSettings
from .sections.worker import DetectSettings, FetchSettings, ProcessSettings, WorkerSettings

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
    "ProcessSettings",
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
