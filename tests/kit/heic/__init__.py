"""A detector as an author writes it: HEIC by ``pillow-heif``, a process for each file, and mistakes made in a hurry."""
