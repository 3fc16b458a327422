"""What is done for one job at a time: moving its files in and out."""
