// Package figures is what a bench run measured, the bars that it must reach, and how both are shown: as a table and as
// JSON. It is pure: it measures nothing itself.
//
// A bar that cannot be judged, because nothing was measured, is missed.
package figures
