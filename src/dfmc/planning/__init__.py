"""Pure: from the file and the observed world to a plan, and from live objects to a verdict."""
