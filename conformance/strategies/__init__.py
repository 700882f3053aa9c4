"""What the property-based cases draw: hyperparameters, gradients, programs, networks. Asymmetric by default."""
