"""The ways to clusters: the only place that starts processes or opens SSH connections."""
