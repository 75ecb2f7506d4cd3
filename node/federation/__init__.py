"""Server to server: what goes between this node and the others."""
