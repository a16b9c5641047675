"""How each provider's reranking API is spoken to, one module each, frozen as it was published.

A provider that changes its API gets a module of another name, so that what a pipeline names goes on to
mean the same. `base.Dialect` says what a module has.
"""
