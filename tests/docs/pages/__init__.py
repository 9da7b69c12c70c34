"""Runs what pages of the documentation show, as a reader would: in one folder, in order, against a real service.

blocks      a page -> its fenced blocks
answers     HTTP answers, compared and recorded
comparing   what a command printed, against what the page shows
stand_ins   what stands for the hosts, buckets and databases that pages name
quick       ``lading`` without the time that imports take
recording   the API's reference with the answers of a running service
reader      a reader with a shell, who follows a page from its top to its end
"""
