// Package readme keeps README.md true: its generated tables are what the code says, its commands exist, its links lead somewhere.
package readme

//go:generate go test -run TestGeneratedTables . -update
