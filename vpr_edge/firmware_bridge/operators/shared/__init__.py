"""What operators stand on: nodes and tensors, the base class, requantisation, windows."""
