"""What spans several packages: the demo, quantising, whitening, the LSTM over sequences."""
