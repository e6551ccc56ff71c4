package manifest

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"regexp"
	"strings"

	"github.com/greenticai/gtc-csi-provider/cmd/gtc-deployer/internal/environment"
)

// longestName is what a Service may have (RFC 1123 label); the other names keep to it too.
const longestName = 63

const workerPrefix = "gtc-worker-"

var (
	plain      = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	notInLabel = regexp.MustCompile(`[^a-z0-9]+`)
)

// workerName names a worker's objects. As with badges, a name stands as it is where it can, and otherwise it is readable in part and
// told from all others by a hash; three hyphens keep the two apart, and two keep a revision from being part of a bundle's name.
func workerName(w environment.Worker) string {
	parts := []string{w.Bundle}
	if w.Revision != "" {
		parts = append(parts, w.Revision)
	}
	short := workerPrefix + strings.Join(parts, "--")
	if len(short) <= longestName && allPlain(parts) {
		return short
	}
	sum := sha256.Sum256([]byte("worker\n" + strings.Join(parts, "/")))
	const kept = 26
	return workerPrefix + readable(parts) + "---" + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:kept]
}

func allPlain(parts []string) bool {
	for _, part := range parts {
		if !plain.MatchString(part) {
			return false
		}
	}
	return true
}

// readable shows a person what a hashed name was.
func readable(parts []string) string {
	const most = 20
	text := strings.Trim(notInLabel.ReplaceAllString(strings.ToLower(strings.Join(parts, "-")), "-"), "-")
	if len(text) > most {
		text = strings.TrimRight(text[:most], "-")
	}
	if text == "" {
		return "x"
	}
	return text
}

var cleanID = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)

// upstreamNamespace is the namespace that Greentic's own deployer gives an environment: gtc-<id>, or gtc-<up to 50 of it>-<hash> where the
// id is no label or too long.
func upstreamNamespace(id string) string {
	const prefix, most = "gtc-", 50
	if cleanID.MatchString(id) && len(prefix)+len(id) <= longestName {
		return prefix + id
	}
	sum := sha256.Sum256([]byte(id))
	hash := hex.EncodeToString(sum[:4])
	text := strings.Trim(eachNotInLabel.ReplaceAllString(id, "-"), "-")
	if len(text) > most {
		text = strings.TrimRight(text[:most], "-")
	}
	if text == "" {
		return prefix + hash
	}
	return prefix + text + "-" + hash
}

var eachNotInLabel = regexp.MustCompile(`[^a-z0-9]`)
