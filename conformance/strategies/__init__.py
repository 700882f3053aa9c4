"""What Hypothesis draws for the cases.

Each module draws one kind of input: `hyperparameters`, `gradients`, `trees`, `programs` of an optimizer's steps,
`batches`, `networks`, `schedules`. Inputs are asymmetric by default, so that a mistake of axes or order shows.
`draws` says how many examples there are, how large, and from which seed.
"""
