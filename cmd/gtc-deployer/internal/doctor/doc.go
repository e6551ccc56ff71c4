// Package doctor looks at a cluster along the path of a mount and says, link by link, what stands in its way and what to set.
//
// It only reads: one CSIDriver object, the DaemonSets, and our admission policies. What a mount needs is a failure where it is missing; what
// makes it safer is a warning. A link that may not be looked at is as good as missing, and says which permission would show it.
package doctor
