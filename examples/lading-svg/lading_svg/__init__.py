"""Lets Lading take SVG images: ``detector.SvgDetector`` is the plugin, ``suite.SvgSuite`` its test."""
