"""The architectures of the sequence rankers, one file each: from what data/rank_inputs.py gives to logits.

A ranker's forward takes the arrays by name and returns logits [B, N, H]; H heads: the order, then the outcomes of the chain.
`auxiliary` is a loss of its own beside them, 0 for most.
"""
