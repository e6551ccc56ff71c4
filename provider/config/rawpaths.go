package config

import (
	"fmt"
	"slices"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
	"github.com/greenticai/gtc-csi-provider/provider/faults"
	"github.com/greenticai/gtc-csi-provider/provider/rawpath"
)

// rawPathDocument is one of rawPaths as it is written.
type rawPathDocument struct {
	Path   string   `yaml:"path"`
	Kind   string   `yaml:"kind"`
	Method string   `yaml:"method"`
	Args   []string `yaml:"args"`
	Scopes []string `yaml:"scopes"`
	Vault  string   `yaml:"vault"`
}

// The methods of a raw path.
const (
	methodRead  = "read"
	methodWrite = "write"
)

// RawPaths reads only a configuration's rawPaths, those of the connection with a name ("" is the first): who wires a Vault need not have
// the files that the rest names. All faults are reported at once, each an ErrInvalid at its field path.
func RawPaths(text []byte, connection string) ([]badge.PathRule, error) {
	p := parser{faults: faults.Of(ErrInvalid)}
	doc := p.decode(text)
	if doc == nil {
		return nil, p.faults.Err()
	}
	p.header(*doc)
	vaults := make([]Vault, len(doc.Vaults))
	for i, v := range doc.Vaults {
		vaults[i].Name = v.Name
	}
	p.rawPaths(doc.RawPaths, vaults)
	at := indexOf(vaults, connection)
	if at < 0 {
		p.fault("vaults", "none has the name %q", connection)
	}
	if err := p.faults.Err(); err != nil {
		return nil, err
	}
	return vaults[at].RawPaths, nil
}

// rawPaths gives each rule to its connection.
func (p *parser) rawPaths(docs []rawPathDocument, vaults []Vault) {
	for i, doc := range docs {
		path := fmt.Sprintf("rawPaths[%d]", i)
		rule := p.rawPath(path, doc)
		at := indexOf(vaults, doc.Vault)
		if at < 0 {
			p.fault(path+".vault", "%q is none of the connections under vaults", doc.Vault)
		} else if at < len(vaults) {
			vaults[at].RawPaths = append(vaults[at].RawPaths, rule)
		}
	}
}

// indexOf is which of vaults has a name; "" is the first's.
func indexOf(vaults []Vault, name string) int {
	if name == "" {
		return 0
	}
	return slices.IndexFunc(vaults, func(v Vault) bool { return v.Name == name })
}

func (p *parser) rawPath(path string, doc rawPathDocument) badge.PathRule {
	rule := badge.PathRule{Kind: badge.Kind(or(doc.Kind, string(badge.KindValue))), Args: doc.Args}
	var err error
	if rule.Pattern, err = rawpath.ParsePattern(doc.Path); err != nil {
		p.fault(path+".path", "%w", err)
	}
	method := doc.Method
	switch rule.Kind {
	case badge.KindValue, badge.KindLease:
		method = or(method, methodRead)
	case badge.KindCertificate:
		method = or(method, methodWrite) // as Vault's engine has it
	default:
		p.fault(path+".kind", "%q is none of %s, %s, %s", doc.Kind, badge.KindValue, badge.KindLease, badge.KindCertificate)
		method = or(method, methodRead)
	}
	if method != methodRead && method != methodWrite {
		p.fault(path+".method", "%q is neither %q nor %q", doc.Method, methodRead, methodWrite)
	}
	rule.Write = method == methodWrite
	if doc.Scopes != nil {
		rule.Scopes = p.scopes(path+".scopes", doc.Scopes)
	}
	for j, name := range doc.Args {
		if err := rawpath.CheckName(name); err != nil {
			p.fault(fmt.Sprintf("%s.args[%d]", path, j), "%w", err)
		}
	}
	return rule
}
