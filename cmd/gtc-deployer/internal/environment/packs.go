package environment

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/greenticai/gtc-csi-provider/provider/faults"
)

// slots are upstream's capability slots that bind in packs[]; "messaging" and "extension" have lists of their own.
var slots = []string{"deployer", "secrets", "telemetry", "sessions", "state", "revocation"}

// The kinds of pack in slot "secrets", without their versions. Upstream's deployer knows the first two; its documentation and its
// provider call the second by the third's name.
const (
	kindDevStore = "greentic.secrets.dev-store"
	kindVault    = "greentic.secrets.vault"
	kindVaultKV  = "greentic.secrets.vault-kv"
)

// kindKubernetes is the pack in slot "deployer" whose answers are about the workers' pods.
const kindKubernetes = "greentic.deployer.k8s"

func (p *parser) packs(list []node) {
	p.env.Backend = DevStore
	seen := make(map[string]bool, len(list))
	for i, n := range list {
		at := fmt.Sprintf("packs[%d]", i)
		o := p.object(at, n, "slot", "kind", "pack_ref", "answers_ref", "answers")
		slot := o.required("slot")
		switch {
		case slot == "":
		case !slices.Contains(slots, slot):
			p.faults.Addf(at+".slot", "is %s; want one of %s", faults.Quote(slot), strings.Join(slots, ", "))
		case seen[slot]:
			p.faults.Addf(at+".slot", "%s is bound already; a slot has one pack", faults.Quote(slot))
		}
		seen[slot] = true
		text := o.required("kind")
		kind, err := parseDescriptor(text)
		p.faults.Add(at+".kind", err)
		o.required("pack_ref")
		answers, from := p.answers(o)
		switch slot {
		case "secrets":
			p.secretsPack(at, kind, from, answers)
		case "deployer":
			p.deployerPack(kind, from, answers)
		}
	}
	p.checkNamespace()
}

var descriptor = regexp.MustCompile(`^([a-z0-9.-]+)@(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$`)

// parseDescriptor is the kind of a pack without its version. "" has been reported as missing.
func parseDescriptor(text string) (kind string, err error) {
	if text == "" {
		return "", nil
	}
	parts := descriptor.FindStringSubmatch(text)
	if parts == nil || !strings.Contains(parts[1], ".") {
		return "", fmt.Errorf("%s is no pack: want <namespace>.<id>@<version>, such as %s@0.1.0", faults.Quote(text), kindVault)
	}
	return parts[1], nil
}

// answers are a pack's answers, and the field path or the file that they come from.
func (p *parser) answers(o object) (answers node, from string) {
	none := node{kind: kindMap}
	inline, given := o.given("answers")
	name := o.filled("answers_ref")
	switch {
	case given && name != "":
		p.faults.Addf(o.at("answers"), "stands beside answers_ref; leave one of the two out")
		return none, ""
	case given:
		return inline, o.at("answers")
	case name == "":
		return none, o.at("answers")
	}
	tree, err := p.readAnswers(name)
	if err != nil {
		p.faults.Add(o.at("answers_ref"), fmt.Errorf("reading %s: %w", faults.Quote(name), err))
		return none, ""
	}
	return tree, o.at("answers_ref") + ":" + fileName(name)
}

func (p *parser) readAnswers(name string) (node, error) {
	switch {
	case strings.HasPrefix(name, "/") || slices.Contains(strings.Split(name, "/"), ".."):
		return node{}, errors.New("leads out of the manifest's folder; put the file there and name it relative to the manifest")
	case p.files == nil:
		return node{}, fs.ErrNotExist
	}
	file, err := p.files.Open(path.Clean(name))
	if err != nil {
		return node{}, readingFault(err)
	}
	defer func() { _ = file.Close() }()
	text, err := readAtMost(file, MaxAnswers)
	if err != nil {
		return node{}, readingFault(err)
	}
	return parseDocument(text, MaxAnswers)
}

// readingFault is why a file could not be read, without the path that the system puts into it: the fault names the file as its author did.
func readingFault(err error) error {
	var bad *fs.PathError
	if errors.As(err, &bad) {
		return bad.Err
	}
	return err
}

func (p *parser) secretsPack(at, kind, from string, answers node) {
	switch kind {
	case "", kindDevStore:
	case kindVault, kindVaultKV:
		p.env.Backend = Vault
		if from != "" {
			p.vaultAnswers(from, answers)
		}
	default:
		p.faults.Addf(at+".kind", "secrets cannot come from %s; bind %s or %s", faults.Quote(kind), kindDevStore, kindVault)
	}
}
