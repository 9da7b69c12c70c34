"""What a detector raises: verdicts about the bytes, and faults of the process that decodes them."""

from .base import PluginError


class DetectError(PluginError):
    """Base of what a detector raises: the bytes are refused."""

    code = "detect_error"
    public_text = "The bytes could not be recognised."


class NotAnImage(DetectError):
    code = "not_an_image"
    public_text = "The bytes are not an image of a known format."


class FormatNotAllowed(DetectError):
    code = "format_not_allowed"
    public_text = "The image format {format} is not allowed."
    plain_text = "The image format is not allowed."


class ImageCorrupt(DetectError):
    code = "image_corrupt"
    public_text = "The image is damaged or truncated."


class ImageNotSupported(DetectError):
    """The image's header is sound, but the decoder does not read this variant of the format."""

    code = "image_not_supported"
    public_text = "The image uses a variant of {format} that the service cannot read."
    plain_text = "The image uses a variant of its format that the service cannot read."

    @property
    def detail(self) -> str:
        """The sentence a client may read; the optional fact ``reason`` names the variant."""
        reason = self.facts.get("reason")
        return f"{super().detail.removesuffix('.')}: {reason}." if reason else super().detail


class TooManyPixels(DetectError):
    code = "too_many_pixels"
    public_text = "The image has more than {limit} pixels."
    plain_text = "The image has too many pixels."


class SideTooLong(DetectError):
    code = "side_too_long"
    public_text = "A side of the image is longer than {limit} pixels."
    plain_text = "A side of the image is too long."


class TooManyFrames(DetectError):
    code = "too_many_frames"
    public_text = "The image has more than {limit} frames."
    plain_text = "The image has too many frames."


class ImageTooComplex(DetectError):
    """Decoding needs, or needed, more memory, CPU time or scans than the limit allows.

    Wall time never causes this verdict, since a busy or paused machine spends wall time as well.
    """

    code = "image_too_complex"
    public_text = "Decoding the image needs more {resource} than the limit allows."
    plain_text = "Decoding the image needs more than the limits allow."


class DetectorCrashed(DetectError):
    """The decoding process died. Something else may have killed it, so Lading retries the import."""

    code = "detector_crashed"
    retryable = True
    public_text = "The process that decodes the image died."


class DetectorStalled(DetectError):
    """Decoding did not end in time although CPU time was left: the process hung, or the machine was busy.

    The error says nothing about the image. Lading retries the import and does not count the attempt.
    """

    code = "detector_stalled"
    retryable = True
    public_text = "The service did not decode the image in time."
