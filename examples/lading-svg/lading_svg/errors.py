"""The errors of this detector's own. None of their texts repeats anything of the file.

A refusal is for good: the file will be the same the next time. What is wrong with the detector may pass.
"""

from lading.plugins.errors import DetectError


class SvgRefused(DetectError):
    """Base of what is wrong with a document that is SVG."""

    code = "svg_refused"
    public_text = "The SVG is not acceptable."


class ActiveContent(SvgRefused):
    """Something that runs, or that some reader of markup would run."""

    code = "svg_active_content"
    public_text = "The SVG holds active content: {what}."


class ExternalReference(SvgRefused):
    """Something that would make a viewer fetch what is not in the file, or lead away from it."""

    code = "svg_external_reference"
    public_text = "The SVG refers to something outside of itself: {what}."


class EmbeddedNotAllowed(SvgRefused):
    """A data: URL of a type that is not allowed, or one whose bytes are not what it says."""

    code = "svg_embedded_not_allowed"
    public_text = "The SVG embeds data of a type that is not allowed, or that is damaged."


class ElementNotAllowed(SvgRefused):
    """An element in the namespace of SVG that is not known to be harmless."""

    code = "svg_element_not_allowed"
    public_text = "The SVG has an element that is not allowed."


class DoctypeNotAllowed(SvgRefused):
    """A document type declaration other than those of the recommendations; entities have their place in them."""

    code = "svg_doctype_not_allowed"
    public_text = "The SVG has a document type declaration other than the plain one of SVG 1.0 or 1.1."


class EncodingNotAllowed(SvgRefused):
    code = "svg_encoding_not_allowed"
    public_text = "The SVG is not XML 1.0 in UTF-8, or in UTF-16 with a byte order mark."


class TooLarge(SvgRefused):
    code = "svg_too_large"
    public_text = "The SVG is larger than the limit of {limit} bytes."


class TooComplex(SvgRefused):
    """There is too much of something that the options limit."""

    code = "svg_too_complex"
    public_text = "The SVG has too many or too long {what}; the limit is {limit}."


class CircularUse(SvgRefused):
    code = "svg_circular_use"
    public_text = "The SVG has an element that uses itself."


class FileUnreadable(DetectError):
    """The file cannot be opened or read, or is no regular file."""

    code = "svg_file_unreadable"
    retryable = True
    public_text = "The service cannot read the image at present."


class DetectorClosed(DetectError):
    """The detector was closed before or during the call."""

    code = "svg_detector_closed"
    retryable = True
    public_text = "The service stopped while it looked at the image."
