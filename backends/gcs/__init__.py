"""Storage in Google Cloud Storage.

Only this room imports Google's libraries.
Begin with ``storage``; ``bucket`` makes the requests.
"""
