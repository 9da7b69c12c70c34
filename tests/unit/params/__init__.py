"""Tests of ``service.params``."""
