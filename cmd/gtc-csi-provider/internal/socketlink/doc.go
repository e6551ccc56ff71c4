// Package socketlink puts the provider's socket where the Secrets Store CSI driver looks for it, and takes it away again.
//
// The driver looks for <providers>/greentic.sock, in a folder of root's that all providers share. The provider is not root and must not
// write there, so it has a folder of its own in it, and the driver's name is a relative link into that:
//
//	<providers>/greentic.d/             mode 0700, owned by the provider
//	<providers>/greentic.d/greentic.sock    made by the provider
//	<providers>/greentic.sock -> greentic.d/greentic.sock
//
// Whoever makes them is root with no capability but CAP_CHOWN: as the owner of <providers> it may make and remove what stands in it, but
// it cannot look into the provider's folder. It stays as long as the provider runs, because nothing else reaches the node when the
// provider is uninstalled.
//
// During an upgrade two of them are on one node. Each holds a shared lock on <providers> for its life, and whoever ends removes
// everything only if it can get the lock for itself alone: the last one tidies up, and nobody takes away what a successor needs. A
// predecessor that tidies up at this moment is waited for.
package socketlink
