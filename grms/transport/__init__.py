"""The edge to clusters: the only place that starts processes, touches their files or opens SSH."""
