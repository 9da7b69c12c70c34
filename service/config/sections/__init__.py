"""The typed model of each section of ``service.conf``.

Every option is one declaration: name, type, default, range and help.
It may use ``fields``, and the models that an option becomes; it reads no file.
Begin with ``service``, which lists all sections.
"""
