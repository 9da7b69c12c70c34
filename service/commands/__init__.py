"""The commands of ``lading`` that are too many for ``service.cli``, and what all commands share."""
