module dfmc.io/testbed/pause

go 1.21
