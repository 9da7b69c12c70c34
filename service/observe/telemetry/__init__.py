"""Telemetry: spans of OpenTelemetry for requests, attempts and webhooks, and how they leave the process.

It may use ``config``, ``models`` and the meter of ``metrics``. No other room imports OpenTelemetry, and this room does
so only with ``[otel] enabled = true``.
Begin with ``opening``, which puts a ``spans.Spans`` in front of the meter. ``exporting`` sends what it makes.
"""
