"""Every pair of writers of an import, at every interleaving of what they read and write.

The writers are the service's own code, and their steps those that they make in the document store and in storage;
``scheduler`` decides whose step comes next. ``world`` has all of the service that writes imports, ``writers`` begins
each writer, and ``rest`` lets the service come to rest, and judges what is left.
"""
