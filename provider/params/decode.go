package params

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/greenticai/gtc-csi-provider/provider/faults"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

// Decode reads the attributes of a mount as the driver sends them: the class's parameters, overwritten by the pod's volumeAttributes.
// What belongs to the kubelet and the driver is passed over. All faults are reported at once, each an ErrInvalid at its field path.
func Decode(attributes map[string]string) (Params, error) {
	return decode(Params{}, attributes)
}

// decode reads what p does not have yet.
func decode(p Params, attributes map[string]string) (Params, error) {
	wrong := faults.Of(ErrInvalid)
	for _, known := range parameters {
		text, given := attributes[known.row.Name]
		if !given && known.row.Default != "" {
			continue
		}
		known.read(&p, text, wrong)
	}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		if _, known := parameterNamed(name); !known && !ignored(name) {
			wrong.Addf(faults.Quote(name), "unknown parameter; %s", suggest(name, parameterNames()))
		}
	}
	if err := wrong.Err(); err != nil {
		return Params{}, err
	}
	return p, nil
}

func readScope(p *Params, text string, wrong *faults.List) {
	if text == "" {
		wrong.Addf("scope", "is missing; name the worker's scope, <env>/<tenant>/<team>")
		return
	}
	scope, err := secretref.ParseScope(text)
	wrong.Add("scope", err)
	p.Scope = scope
}

func readVault(p *Params, text string, wrong *faults.List) {
	if err := CheckVault(text); err != nil {
		wrong.Add("vault", err)
		return
	}
	p.Vault = text
}

// CheckVault reports why name cannot be a connection's name, which is a label of RFC 1123: 1 to 63 of a-z, 0-9 and '-', with a
// letter or digit at each end. The provider's configuration keeps to the same rule.
func CheckVault(name string) error {
	legal := name != "" && len(name) <= MaxVault && name[0] != '-' && name[len(name)-1] != '-'
	for i := range len(name) {
		legal = legal && (name[i] == '-' || name[i] >= 'a' && name[i] <= 'z' || name[i] >= '0' && name[i] <= '9')
	}
	if !legal {
		return fmt.Errorf("%s is no connection's name: want 1 to %d of a-z, 0-9 and '-', with a letter or digit at each end",
			faults.Quote(name), MaxVault)
	}
	return nil
}

func readObjects(p *Params, text string, wrong *faults.List) {
	if p.Objects != nil {
		return // remembered
	}
	list, err := parseList(text)
	if err != nil {
		wrong.Add("objects", err)
		return
	}
	sound := make([]bool, len(list))
	p.Objects = make([]Object, len(list))
	for i, node := range list {
		p.Objects[i], sound[i] = readObject(fmt.Sprintf("objects[%d]", i), node, wrong)
	}
	checkPaths(p.Objects, sound, wrong)
}

// parseList is the YAML of objects as its entries, with everything refused that YAML has beyond plain lists, maps and scalars.
func parseList(text string) ([]*yaml.Node, error) {
	if len(text) > MaxObjectsText {
		return nil, fmt.Errorf("has %d bytes, more than %d; split the class", len(text), MaxObjectsText)
	}
	decoder := yaml.NewDecoder(strings.NewReader(text))
	var document, second yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return nil, errors.New("is missing; list at least one object with its ref")
	case err != nil:
		return nil, notYAML(err)
	}
	switch err := decoder.Decode(&second); {
	case err == nil:
		return nil, errors.New(`holds more than one YAML document; remove the "---"`)
	case !errors.Is(err, io.EOF):
		return nil, notYAML(err)
	}
	if err := refuseClever(&document); err != nil {
		return nil, err
	}
	list := document.Content[0]
	switch {
	case list.Kind != yaml.SequenceNode:
		return nil, errors.New(`is no YAML list; begin each object with "- ref:"`)
	case len(list.Content) == 0:
		return nil, errors.New("is an empty list; list at least one object with its ref")
	case len(list.Content) > MaxObjects:
		return nil, fmt.Errorf("lists %d objects, more than %d; split the class", len(list.Content), MaxObjects)
	}
	return list.Content, nil
}

func notYAML(err error) error {
	return fmt.Errorf("is not YAML: %s", faults.Quote(strings.TrimPrefix(err.Error(), "yaml: ")))
}

// refuseClever keeps a few bytes from standing for many (anchors and aliases) or for something else than they show (tags).
func refuseClever(node *yaml.Node) error {
	if node.Kind == yaml.AliasNode || node.Anchor != "" {
		return fmt.Errorf("line %d: YAML anchors and aliases are refused; write the value out", node.Line)
	}
	if node.Style&yaml.TaggedStyle != 0 {
		return fmt.Errorf("line %d: YAML tags are refused; write the value without %s", node.Line, faults.Quote(node.Tag))
	}
	for _, child := range node.Content {
		if err := refuseClever(child); err != nil {
			return err
		}
	}
	return nil
}

// readObject reports whether the object is sound, so that nothing is said of the path of one that is not.
func readObject(path string, node *yaml.Node, wrong *faults.List) (Object, bool) {
	before := wrong.Len()
	var o Object
	if node.Kind != yaml.MappingNode {
		wrong.Addf(path, `is no map; write "ref: secret://..."`)
		return o, false
	}
	seen := make(map[string]bool, len(fields))
	for i := 0; i+1 < len(node.Content); i += 2 {
		name, value := node.Content[i], node.Content[i+1]
		known, ok := fieldNamed(name.Value)
		switch {
		case name.Kind != yaml.ScalarNode || !ok:
			wrong.Addf(path, "unknown field %s; %s", faults.Quote(name.Value), suggest(name.Value, fieldNames()))
		case seen[name.Value]:
			wrong.Addf(path+"."+name.Value, "stands twice; remove one")
		default:
			wrong.Add(path+"."+name.Value, known.read(&o, value))
		}
		seen[name.Value] = true
	}
	if seen["path"] || seen["args"] {
		checkRaw(path, seen, wrong)
	} else if !seen["ref"] {
		wrong.Addf(path+".ref", "is missing; name the secret, secret://<env>/<tenant>/<team>/<category>/<name>")
	}
	if o.Fallback {
		wrong.Add(path+".fallback", checkFallback(o.Ref))
	}
	return o, before == wrong.Len()
}

// checkRaw finds what does not go with a raw path.
func checkRaw(path string, seen map[string]bool, wrong *faults.List) {
	switch {
	case seen["ref"]:
		wrong.Addf(path+".path", "stands beside ref; an object is one of the two")
	case !seen["path"]:
		wrong.Addf(path+".args", "stands without path; only a raw path is sent anything")
	case !seen["file"]:
		wrong.Addf(path+".file", "is missing; a raw path has no file of its own")
	}
	if seen["fallback"] {
		wrong.Addf(path+".fallback", "stands beside path; no raw path is another's")
	}
}

func checkFallback(ref secretref.Reference) error {
	switch {
	case ref.IsZero():
		return nil // what is wrong with the reference has been said
	case ref.Scope().Team() == secretref.WholeTenant:
		return fmt.Errorf("%s is the whole tenant's already; leave fallback out or name a team", faults.Quote(ref.String()))
	case ref.Version() != 0:
		return fmt.Errorf("%s pins a version, and the tenant's secret has versions of its own; leave one of the two out",
			faults.Quote(ref.String()))
	}
	return nil
}
