"""Nothing to configure: the node runs migrations itself, see `node/storage/migrate.py`."""
