// Package operator is the deployer's connection to Vault: with the token of the person who runs it, held in memory and nowhere else.
//
// It follows no redirect, so the token goes to the address that the operator named and to no other; it reads no more of an answer
// than MaxAnswer; and what Vault says in an error is matched and never repeated, because an answer may quote what was sent.
// Of the process's environment it heeds only the proxy variables; what else the operator's shell says is decided in the command, once.
package operator
