package main

import "flag"

//go:generate go test . -update

var update = flag.Bool("update", false, "write the golden files and scripts")
