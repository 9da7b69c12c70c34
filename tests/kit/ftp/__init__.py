"""A fetcher as an author writes it: FTP by ``ftplib``, its server, and mistakes that are easily made in a hurry."""
