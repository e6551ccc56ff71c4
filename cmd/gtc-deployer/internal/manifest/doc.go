// Package manifest turns an environment into the Kubernetes objects that run its workers. It is pure: the same environment and options
// always make the same objects in the same order, and nothing is read, asked or dated.
//
// With secrets from Vault there is no Secret anywhere. Each worker gets
//
//   - a namespace and a ServiceAccount by package badge, which together prove its scope. Nothing mounts a token: the kubelet makes the one
//     that Vault sees, by the CSIDriver object's tokenRequests;
//   - a SecretProviderClass that names its secrets, and a volume by it;
//   - gtc-exec before its program, which waits for the volume and hands the secrets on as the dev-store file that Greentic's runtime reads,
//     on a memory-backed volume of the pod.
//
// With the dev-store it is what Greentic's own deployer renders (greentic-deployer, src/env_packs/k8s/manifests.rs): one namespace, the Secret
// gtc-dev-secrets without data, and a container that copies it into the worker's home.
//
// Labels, paths, limits and hardening are upstream's in both cases. Upstream names workers and selects their pods by the ids that its store
// gives to revisions; a manifest has none, so ours go by the bundle. Upstream's router is its own deployer's and is not rendered; workers
// admit it. A scope can hold '_', which no label can, so scopes are annotations.
package manifest
