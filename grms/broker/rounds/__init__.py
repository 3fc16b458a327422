"""What is done for many jobs at once: placing, submitting, looking up, following, cleaning."""
