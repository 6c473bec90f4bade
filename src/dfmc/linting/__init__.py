"""What is right by form and still goes wrong in a cluster: lints over a whole topology, and what may be ignored."""
