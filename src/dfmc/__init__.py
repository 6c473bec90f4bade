"""dfmc brings up Dragonfly over many Kubernetes clusters from one declarative file, and keeps them so."""

__version__ = "0.1.0"
