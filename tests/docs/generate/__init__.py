"""The generated parts of the reference: written into committed pages, and held up to date by a test.

``make docs-pages`` writes them. They are committed, and not made while MkDocs builds, for two reasons: whoever reads
the repository without the site finds them, and a change of an option or case shows in the review as a change of its
page. What MkDocs plugins render from the code itself (docstrings, the command line) needs no generator.

marks          where a generated part stands in its page
configuration  every option, from the models of ``service.conf``
kit            every case of the kit's suites
plugin_errors  every error that a plugin may raise
"""
