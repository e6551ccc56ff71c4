// Package volume reads the secrets that a pod's Secrets Store CSI volume holds.
//
// The driver writes a volume with the kubelet's atomic writer: the files of one mount stand in a folder of their own, and the link
// "..data" names the newest of these folders. A rotation writes a new folder, swaps the link in one step and removes the old folder.
// So "..data" is resolved once and everything is read below the folder that it named then: a reader gets one generation or another,
// never a mix of two.
//
// A volume without "..data" has not been written: a driver that was killed during a first mount leaves one behind and reports
// success for it, which is why nothing is started before every promised secret is there.
package volume
