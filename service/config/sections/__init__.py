"""The typed model of each section of ``service.conf``.

Every option is one declaration: name, type, default, range and help.
Begin with ``service``, which lists all sections.
"""
