"""Runs of a subject, compared step by step with the certified reference.

`program` runs an optimizer through steps, changes of hyperparameters and restarts, and reduces a failure to one
element. `training` runs a network and an optimizer together. `steps` runs single steps next to the certified rule,
for cases that know what a step must be. `slots` checks the state that a run shows.
"""
