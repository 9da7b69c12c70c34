"""Finding imports in the page."""
