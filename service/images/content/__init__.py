"""Serving bytes over HTTP as RFC 9110 has it, without knowing where they come from or which server sends them.

preconditions   whether the client has the bytes already, or wants others than there are
ranges          which of them it wants
multipart       several ranges as one body
disposition     a file name that a stranger chose, in a header
"""
