"""The edge to batch systems: pure pairs of a command and the parse of its result."""
