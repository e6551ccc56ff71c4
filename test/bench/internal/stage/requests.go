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
	count(r, names(pods), entries)
	return nil
}

func names(pods []Pod) []string {
	names := make([]string, len(pods))
	for i, pod := range pods {
		names[i] = pod.Name()
	}
	return names
}

// count adds the requests among entries to r: those that name one of pods to its mount, any other to what is odd.
func count(r *figures.Requests, pods []string, entries []lab.AuditEntry) {
	byPod, total, odd := tallies(pods, entries)
	r.Total, r.Odd = r.Total.Plus(total), append(r.Odd, odd...)
	for _, pod := range pods {
		if got := byPod[pod]; got != r.Want {
			r.Odd = append(r.Odd, fmt.Sprintf("%s: %s", pod, got))
		}
	}
	r.Calls += len(pods)
}

// Cold adds what Vault was asked since by replicas that were mounted since.
func (w Watch) Cold(r *figures.Replicas, pods []Pod) error {
	entries, err := w.lab.AuditSince(w.vault)
	if err != nil {
		return err
	}
	countCold(r, names(pods), entries)
	return nil
}

func countCold(r *figures.Replicas, pods []string, entries []lab.AuditEntry) {
	byPod, total, odd := tallies(pods, entries)
	r.Cold, r.Odd = append(r.Cold, total), append(r.Odd, odd...)
	for _, pod := range pods {
		if got := byPod[pod]; got.Logins != 1 {
			r.Odd = append(r.Odd, fmt.Sprintf("%s: %s", pod, got))
		}
	}
}

// Due adds what Vault was asked since by replicas whose refresh was due.
func (w Watch) Due(r *figures.Replicas, pods []Pod) error {
	entries, err := w.lab.AuditSince(w.vault)
	if err != nil {
		return err
	}
	_, total, odd := tallies(names(pods), entries)
	r.Due, r.Odd = append(r.Due, total), append(r.Odd, odd...)
	return nil
}

// tallies are the requests among entries by the pod in whose name they were, and in total, and those of none of pods.
func tallies(pods []string, entries []lab.AuditEntry) (byPod map[string]figures.Tally, total figures.Tally, odd []string) {
	byPod = make(map[string]figures.Tally, len(pods))
	for _, pod := range pods {
		byPod[pod] = figures.Tally{}
	}
	for _, entry := range entries {
		if entry.Type != "request" {
			continue
		}
		one := tally(entry)
		total = total.Plus(one)
		pod := strings.Join(entry.Headers[podHeader], ",")
		sum, known := byPod[pod]
		if !known {
			odd = append(odd, fmt.Sprintf("%s of %q in the name of %q, which was not being mounted", entry.Operation, entry.Path, pod))
			continue
		}
		byPod[pod] = sum.Plus(one)
	}
	return byPod, total, odd
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
