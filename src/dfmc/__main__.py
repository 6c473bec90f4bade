"""``python -m dfmc``."""

from dfmc.cli import run

if __name__ == "__main__":
    run()
