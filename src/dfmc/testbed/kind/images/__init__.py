"""The kind bed's images where no registry answers: the node image, and every image the chart names.

Nothing is pulled. Programs come from Go modules and crates (`dfmc.testbed.binaries`), the rest from Debian packages.

    catalogue.py   which images there are, under which names, and what is in each       pure
    node.py        what the node image consists of                                      pure
    debian.py      trees of Debian packages, each one layer                             pure; commands for mmdebstrap
    layers.py      layers of single files, as reproducible tar archives
    archive.py     an image as the archive that `docker load` and `ctr import` read
    commands.py    the command lines of docker and mmdebstrap                           pure
    running.py     runs them
    build.py       the steps in their order, each skipped when its stamp is current
"""
