"""From an entry of the file to the values its release gets, and back: which keys prove that it is wired right."""
