"""python -m node: the same as the command `cuicui`."""

from node.cli import main

if __name__ == "__main__":
    main()
