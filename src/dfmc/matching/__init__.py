"""The manager's searcher as pure functions: which cluster a peer is given when it does not say a cluster's id."""
