//go:build e2e

package e2e_test

import "testing"

// The suites in the order in which they are played, which is not that of their numbers. First come those that are told without waiting for a kubelet,
// and those that take something away or change the provider's configuration, which ends what it remembers.

func Test01Install(t *testing.T)     { playInstall(t) }
func Test03Refused(t *testing.T)     { playRefused(t) }
func Test07Connections(t *testing.T) { playConnections(t) }
func Test08Outages(t *testing.T)     { playOutages(t) }
func Test09Upgrade(t *testing.T)     { playUpgrade(t) }
func Test10FullNode(t *testing.T)    { playFullNode(t) }
func Test16PodWatch(t *testing.T)    { playPodWatch(t) }
func Test14Event(t *testing.T)       { playEvent(t) }
func Test12Uninstall(t *testing.T)   { playUninstall(t) }

// Test15Idle starts its pods here, and looks at what Vault has heard of them when all that follow are over: they are played within its ten minutes,
// and none of them touches the provider's process, its configuration or Vault's health.
func Test15Idle(t *testing.T) { playIdle(t) }

func Test02Render(t *testing.T)   { playRender(t) }
func Test04Rotation(t *testing.T) { playRotation(t) }
func Test05Classes(t *testing.T)  { playClasses(t) }
func Test13Lease(t *testing.T)    { playLease(t) }
func Test06Sync(t *testing.T)     { playSync(t) }
func Test11Search(t *testing.T)   { playSearch(t) }
