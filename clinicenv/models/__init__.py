"""Calls to language models: one background event loop, and endpoints that speak the OpenAI wire format."""
