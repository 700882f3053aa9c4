"""Following a subject's run beside the certified reference: a program, a training, or steps of known result."""
