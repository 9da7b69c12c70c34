"""The commands of ``lading`` that are too many for ``lading.service.cli.main``, and what all commands share."""
