"""Tests of ``lading.service.api.params``."""
