"""Storage in Amazon S3, or on a server that speaks S3.

Only this room imports botocore.
Begin with ``storage``; ``bucket`` makes the requests.
"""
