"""The Model Context Protocol: a door for programs that let a language model call tools.

One POST to `/mcp` holds one JSON-RPC message and is answered by one; nothing is kept between two of them, so
any web process answers any request. `rpc` reads messages, `versions` says which revision a request speaks,
`tools` are what can be called.
"""
