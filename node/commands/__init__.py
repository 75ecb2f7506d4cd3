"""What the owner's commands do: open the node, ask the one set of actions there is, print.

One file for each room of `node/cli`; each is executed when a command of it is used.
"""
