"""Why an image is not converted."""

from lading.plugins.errors import ImageRefused, ProcessError


class HeicUnreadable(ImageRefused):
    """The decoder finds damage."""

    code = "heic_unreadable"
    public_text = "The HEIC image is damaged."


class HeicTooCostly(ImageRefused):
    """Decoding takes more than the options allow."""

    code = "heic_too_costly"
    public_text = "Converting the HEIC image needs more {resource} than the limit allows."
    plain_text = "Converting the HEIC image needs more than the limits allow."


class ConverterCrashed(ProcessError):
    """The process that converts died. Another attempt may succeed."""

    code = "heic_converter_crashed"
    retryable = True
    public_text = "The process that converts the image died."
