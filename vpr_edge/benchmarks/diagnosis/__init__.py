"""Where a network's time, memory and int8 accuracy go, layer by layer, and what would help."""
