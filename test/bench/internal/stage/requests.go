package stage

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/greenticai/gtc-csi-provider/test/bench/internal/figures"
	"github.com/greenticai/gtc-csi-provider/test/lab"
)

// podHeader is the header by which the provider names the pod, as Vault's audit log has it.
const podHeader = "x-greentic-pod"

// Watch sees what reaches Vault and the API server from the time on when it was made.
type Watch struct {
	lab        *lab.Lab
	vault, api lab.Mark
}

// Watch begins to watch.
func (s *Stage) Watch() (Watch, error) {
	// What happened before may not all be in the API server's log yet.
	time.Sleep(settle)
	vault, err := s.lab.AuditMark()
	if err != nil {
		return Watch{}, err
	}
	api, err := s.lab.APIAuditMark()
	return Watch{lab: s.lab, vault: vault, api: api}, err
}

// settle is longer than the API server takes to log what it has answered.
const settle = 50 * time.Millisecond

// Vault adds what Vault was asked since to r, which is of the pods that were mounted since.
func (w Watch) Vault(r *figures.Requests, pods []Pod) error {
	entries, err := w.lab.AuditSince(w.vault)
	if err != nil {
		return err
	}
	names := make([]string, len(pods))
	for i, pod := range pods {
		names[i] = pod.Name()
	}
	count(r, names, entries)
	return nil
}

// count adds the requests among entries to r: those that name one of pods to its mount, any other to what is odd.
func count(r *figures.Requests, pods []string, entries []lab.AuditEntry) {
	byPod := make(map[string]figures.Tally, len(pods))
	for _, pod := range pods {
		byPod[pod] = figures.Tally{}
	}
	for _, entry := range entries {
		if entry.Type != "request" {
			continue
		}
		one := tally(entry)
		r.Total = r.Total.Plus(one)
		pod := strings.Join(entry.Headers[podHeader], ",")
		sum, known := byPod[pod]
		if !known {
			r.Odd = append(r.Odd, fmt.Sprintf("%s of %q in the name of %q, which was not being mounted", entry.Operation, entry.Path, pod))
			continue
		}
		byPod[pod] = sum.Plus(one)
	}
	for _, pod := range pods {
		if got := byPod[pod]; got != r.Want {
			r.Odd = append(r.Odd, fmt.Sprintf("%s: %s", pod, got))
		}
	}
	r.Mounts += len(pods)
}

func tally(entry lab.AuditEntry) figures.Tally {
	switch {
	case entry.Login():
		return figures.Tally{Logins: 1}
	case entry.Read():
		return figures.Tally{Reads: 1}
	case entry.Decrypt():
		return figures.Tally{Decrypts: 1}
	default:
		return figures.Tally{Others: 1}
	}
}

// API lists what reached the API server since from somebody who is no part of the lab: the provider, whoever it says that
// it is.
func (w Watch) API() ([]string, error) {
	time.Sleep(settle)
	entries, err := w.lab.APIAuditSince(w.api)
	if err != nil {
		return nil, err
	}
	return strangers(entries), nil
}

// reviewer is Vault, which asks the API server who a pod is.
const reviewer = "system:serviceaccount:vault:vault-reviewer"

// labUsers are the rest of the lab: its administrator, its kubelet, its driver, and the API server itself.
var labUsers = []string{"lab-admin", "system:node:n1", "system:serviceaccount:kube-system:secrets-store-csi-driver", "system:apiserver"}

// strangers are the requests of all others, and what the reviewer asked besides reviews.
func strangers(entries []lab.APIAuditEntry) []string {
	found := []string{}
	for _, entry := range entries {
		review := entry.Verb == "create" && strings.HasSuffix(entry.URI, "/tokenreviews")
		if slices.Contains(labUsers, entry.User) || entry.User == reviewer && review {
			continue
		}
		found = append(found, fmt.Sprintf("%s %q by %q (%q)", entry.Verb, entry.URI, entry.User, entry.UserAgent))
	}
	return found
}
