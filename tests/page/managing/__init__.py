"""Webhooks and the queue in the page."""
