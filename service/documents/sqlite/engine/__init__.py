"""Connections to the SQLite file: who opens, uses, commits and replaces them.

It knows SQLite, and no table but the one of its clock.
Begin with ``threads``; ``transactions`` begins and ends every transaction.
"""
