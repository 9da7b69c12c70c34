"""``lading import``: URLs, files, folders and lists become imports of a service.

It uses ``lading.client``, and rich for the bars. ``sources`` reads what is named, and ``lists`` the lists; ``sending``
sends them, and ``report`` shows what becomes of them. Begin with ``command``.
"""
