"""What cuicui costs: measured on one machine in one run, set beside the floor of the same machine."""
