"""Answers in the shape of OpenAI's API for chats: what is taken, what is given, how errors look."""
