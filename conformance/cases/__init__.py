"""The cases: what must hold, one file or folder per topic.

A case is a function with the decorator `case`, which has its statement, source, kind and the mistakes that it
catches. It takes a `subject` and a `compare`, and imports no framework. Cases of optimizers, activations, losses,
clipping, schedules and initializers compare a subject with the reference. Others check what is proven of gradients:
`descent`, `depth`, `mean_field`, `products`, `random_products`, `residual`, `slopes`.
"""
