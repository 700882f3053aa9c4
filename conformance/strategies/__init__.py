"""What the property-based cases draw: hyperparameters, gradients, programs, trees, networks; asymmetric by default."""
