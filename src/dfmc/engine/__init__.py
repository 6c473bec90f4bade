"""Async: observe, execute, wait, prove. Talks to the world through clients/protocols.py only, and never prints."""
