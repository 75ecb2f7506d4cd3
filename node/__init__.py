"""cuicui: a microblog node for one person. `node.app` wires it, `node.cli` is its command line."""

__version__ = "0.1.0"
