"""Torch blocks, the training loop and the export to ONNX; nothing here is needed to serve."""
