"""The commands of ``grms-client``, a module per group of operations."""
