"""What a processor raises: refusals of images, and failures of the processor itself."""

from .base import PluginError


class ProcessError(PluginError):
    """Base of what a processor raises."""

    code = "process_error"
    public_text = "The image could not be processed."


class ImageRefused(ProcessError):
    """The image must not be stored."""

    code = "image_refused"
    public_text = "The service refuses the image."


class MetadataUnremovable(ProcessError):
    """The metadata of the image cannot be removed, so that it might tell what must not be told."""

    code = "metadata_unremovable"
    public_text = "The service cannot remove the metadata of this {format} image."
    plain_text = "The metadata of the image cannot be removed."


class MalwareFound(ProcessError):
    """A scanner finds malware in the image."""

    code = "malware_found"
    public_text = "The image contains malware: {signature}."
    plain_text = "The image contains malware."


class ImageNotScanned(ProcessError):
    """The image cannot be scanned for malware, so that it must not be stored."""

    code = "image_not_scanned"
    public_text = "The image is too large to be scanned for malware."


class OutputTooLarge(ProcessError):
    code = "output_too_large"
    public_text = "Processing the image would make it larger than {limit} bytes."
    plain_text = "Processing the image would make it too large."


class ProcessorUnavailable(ProcessError):
    """A service that the processor needs does not answer. The import waits, and no attempt is used up."""

    code = "processor_unavailable"
    retryable = True
    public_text = "A service that processes images is currently unavailable."


class ProcessorStalled(ProcessError):
    """Processing did not end in time: the processor hung, or the machine was busy.

    The error says nothing about the image. Lading retries the import and does not count the attempt.
    """

    code = "processor_stalled"
    retryable = True
    public_text = "The service did not process the image in time."
