"""Checks of a file's structure, made before Pillow sees the file. No Pillow.

Three things are wanted of them. Pillow's decoders stop reading once they have their pixels, so a file that was cut off
behind them passes, and with ``verify = structure`` any file does: the lengths that headers announce are held against
the file. Two formats tell the size of their frames only while they are being decoded (GIF, ICO), which is too late to
refuse a bomb. And Pillow refuses files that every browser shows: ``Inspection.as_decoded`` is the file as Pillow takes
it.

What follows the end of an image is not looked at: cameras and editors append thumbnails, maps and padding, and every
viewer ignores them. A file that ends before its end marker is told by the note ``tail_missing``; whether all pixels
are there is for the decoder to say.

All functions read from a file that is opened in binary mode, and raise ``Refused``. The room may use ``limits`` and the
standard library. Begin with ``look``, which calls the function of each format.
"""
