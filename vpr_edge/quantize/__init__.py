"""Quantisation to int8 with parity: what is trained is what is flashed.

`model` holds the numbers of a quantised network and needs no torch. `fake` is the network that QAT
trains (`passes`, `straight_through` and `gem` are its parts), `calibrate` sets its first ranges and
is post-training quantisation by itself, `integer` computes TFLM's values bit for bit (`functions`
those of softmax and the like). `lstm` and `fake_lstm` are the same for the LSTM over sequences.
`sensitivity` measures.

From outside import `model.{Int8Layer, Int8Model}`, `fake.{FakeQuantNetwork,
to_int8_model}`, `calibrate.calibrate`, `integer.IntegerNetwork`, `sensitivity.layer_errors`,
`lstm.Int8Lstm` and `fake_lstm.FakeQuantLstm`.
"""
