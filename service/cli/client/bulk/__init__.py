"""``lading bulk``: millions of URLs become imports of a service, in bounded memory; after a stop it goes on.

It uses ``lading.client``, SQLite for the journal, rich for the bars, and pyarrow for Parquet. ``reading`` reads the
list, ``journal`` keeps what was sent, ``sending`` sends and watches, ``report`` shows it. Begin with ``command``.
"""
