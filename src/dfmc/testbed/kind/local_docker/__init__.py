"""A Docker engine for machines that have root but neither an engine nor an init system to run one.

Sandboxes and build containers are such machines. Everywhere else the system's own Docker is the right one, and
`engine.start` says so. `settings` is pure; `runc_wrapper` is the file the engine runs in runc's place where this
machine lacks a capability.
"""
