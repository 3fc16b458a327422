"""What the edges must provide: one file for each kind of edge. Protocols and values, no code."""
