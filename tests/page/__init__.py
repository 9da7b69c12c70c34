"""The page for people, in a real Chromium that playwright drives."""
