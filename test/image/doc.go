// Package image holds the tests of what is shipped: the programs as `make image` compiles them, what goes into the images with them, and the
// Dockerfile. The images themselves need a Docker engine; their test has the build tag "image" and is run by `make image`.
package image
