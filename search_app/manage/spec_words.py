"""What the form of a pipeline says about each part and each key of a spec."""

TITLES = {
    "encoder": ("Encoder", "Turns questions and passages into vectors. The index is built with it."),
    "split": ("Split", "How documents become passages. Counts for documents that are indexed from now on."),
    "fuse": ("Fusion", "How the two searches become one list."),
    "late": ("Late interaction", "Question and passage are compared token by token, over stored codes."),
    "rerank": (
        "Cross-encoder",
        "Reads question and passage together, best candidates first, under a budget.",
    ),
    "blend": ("Blend", "What each voice weighs in the final order."),
    "context": ("Context", "What is handed to the generator."),
    "generate": ("Answer", "Left out: the pipeline only searches."),
}

HELP = {
    "backend": "The module that does it.",
    "model": "A model of the catalogue.",
    "split.max_tokens": "Longest passage, in tokens of the encoder.",
    "split.overlap_tokens": "Tokens of a passage that the next one repeats.",
    "fuse.method": "rrf reads only ranks; zscore and minmax weigh standardised scores.",
    "fuse.depth": "Candidates taken from each search.",
    "fuse.bm25": "Weight of the search by words.",
    "fuse.knn": "Weight of the search by meaning.",
    "fuse.server": "On: the search cluster fuses; where it cannot, Sieve does, and says so.",
    "late.depth": "Fused candidates that are scored.",
    "rerank.depth": "Candidates that are scored at most.",
    "rerank.budget_ms": "Milliseconds for late interaction and cross-encoder together.",
    "rerank.required": "On: a question without it fails. Off: the order so far goes on, and it is said.",
    "blend.bm25": "Weight of the BM25 scores.",
    "blend.knn": "Weight of the cosines.",
    "blend.late": "Weight of MaxSim.",
    "blend.reranked": "Weight of the cross-encoder's logits, added for what it scored.",
    "context.top": "Passages handed over at most.",
    "context.max_tokens": "Tokens handed over at most.",
    "generate.threshold": "Confidence below which it says that the documents do not answer.",
    "generate.max_sentences": "Sentences of an answer at most.",
    "generate.budget_ms": "Milliseconds for writing the answer.",
}
