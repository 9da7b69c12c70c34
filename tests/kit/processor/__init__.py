"""Broken processors, and a right one."""
