"""Networks as graphs, the zoo of named configurations, checkpoints.

From outside import `graph`, `zoo` and `checkpoint`, which need no torch; `network` is the trainable
torch module of a graph, `sequence` an LSTM over the descriptors of frames, and `whitening` fits a
projection of place descriptors.
"""
