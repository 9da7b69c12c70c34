"""The page for people: hand-written HTML, CSS and ES modules that call the API from a browser.

The handlers use ``http``. Whatever the page does, it does through the API, with the token of its reader.
Begin with ``files``, then ``static/main.js``.
"""
