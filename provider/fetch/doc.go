// Package fetch turns what a pod was granted into what Vault holds.
//
// It is the only package that reads from Vault for a pod, and it reads only what badge.Admit granted. Each distinct secret is read once,
// all of them at the same time (package vault bounds how many requests of the node are on their way), and the data keys of all records
// are unwrapped by one transit request. Every fault is found before any is reported: one record that does not open does not hide
// another that is missing.
package fetch
