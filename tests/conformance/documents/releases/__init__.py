"""Databases that earlier releases have written.

``v0_1_0.sql`` is what ``make.py`` has dumped of release 0.1.0, the commit 0c54a97: its service imported `data:` URLs,
and was killed while an origin did not answer.
"""
