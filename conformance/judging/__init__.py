"""What judges cases.

`comparison` compares the numbers of a subject with the reference, and counts what it compared. `divergences` has the
known defects of libraries, as data with reasons and versions. `verdict` turns what a case raised and compared, and
the divergence declared for it, into one of five verdicts.
"""
