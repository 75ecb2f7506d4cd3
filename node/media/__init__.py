"""Pictures, films and sounds: the owner's own, and those of others as they are first looked at (security.md §8)."""
