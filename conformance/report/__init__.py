"""What a run leaves: a record for machines and a matrix for people.

`record` makes, reads and merges report.json. `terminal` shows a report, with the failures last. `files` writes files
whole or not at all, `markdown` and `drawing` make the tables and pictures of the pages that commands write.
"""
