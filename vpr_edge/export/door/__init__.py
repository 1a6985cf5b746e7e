"""The door for strangers' networks: float ONNX becomes a float checkpoint that carries its graph.

`source` reads and simplifies the file, `views` says what an ONNX tensor is of one of our maps,
`draft` collects the nodes, `weighted`, `pointwise`, `windows` and `moves` translate the operators,
`fold` merges what can be merged, `enter` does all of it and `compare` runs it beside the original
in ONNX Runtime. From outside import `enter.{enter_onnx, Wish, Entered}`.
"""
