"""Lets Lading fetch from SFTP servers: ``fetcher.SftpFetcher`` is the plugin, ``suite.SftpFetcherSuite`` its test."""
