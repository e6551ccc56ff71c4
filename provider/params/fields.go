package params

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"

	"github.com/greenticai/gtc-csi-provider/provider/faults"
	"github.com/greenticai/gtc-csi-provider/provider/rawpath"
	"github.com/greenticai/gtc-csi-provider/provider/secretref"
)

func readRef(o *Object, node *yaml.Node) (err error) {
	text, err := readText(node)
	if err != nil {
		return err
	}
	o.Ref, err = secretref.Parse(text)
	return err
}

func readPath(o *Object, node *yaml.Node) (err error) {
	text, err := readText(node)
	if err != nil {
		return err
	}
	o.Raw, err = rawpath.Parse(text, o.Raw.Args())
	return err
}

func readArgs(o *Object, node *yaml.Node) (err error) {
	if node.Kind != yaml.MappingNode || len(node.Content) == 0 {
		return fmt.Errorf("%s is no map of names and texts", shown(node))
	}
	args := make(map[string]string, len(node.Content)/2)
	for i := 0; i+1 < len(node.Content); i += 2 {
		name, err := readText(node.Content[i])
		if err != nil {
			return err
		}
		if _, twice := args[name]; twice {
			return fmt.Errorf("%s stands twice; remove one", faults.Quote(name))
		}
		if args[name], err = readText(node.Content[i+1]); err != nil {
			return fmt.Errorf("%s: %w", faults.Quote(name), err)
		}
	}
	o.Raw, err = o.Raw.With(args)
	return err
}

func readFile(o *Object, node *yaml.Node) error {
	text, err := readText(node)
	if err != nil {
		return err
	}
	o.File = text
	return checkPath(text)
}

func readKey(o *Object, node *yaml.Node) error {
	text, err := readText(node)
	switch {
	case err != nil:
		return err
	case len(text) > MaxKey:
		return fmt.Errorf("has %d bytes, more than %d", len(text), MaxKey)
	case strings.ContainsFunc(text, unicode.IsControl):
		return fmt.Errorf("%s holds a control character", faults.Quote(text))
	}
	o.Key = text
	return nil
}

func readOptional(o *Object, node *yaml.Node) error {
	if node.Kind != yaml.ScalarNode || node.ShortTag() != "!!bool" {
		return fmt.Errorf("%s is neither true nor false", shown(node))
	}
	return node.Decode(&o.Optional)
}

func readFallback(o *Object, node *yaml.Node) error {
	if node.Kind != yaml.ScalarNode || node.Value != "tenant" {
		return fmt.Errorf(`%s is unknown; the only fallback is "tenant"`, shown(node))
	}
	o.Fallback = true
	return nil
}

// readMode goes by what is written, not by the number that YAML makes of it: 420 and 644 are both numbers, and neither shows which
// base its author thought in.
func readMode(o *Object, node *yaml.Node) error {
	const hint = "write the octal mode with a leading 0, 0001 to 0777, such as 0640 or 0o640"
	digits, found := strings.CutPrefix(node.Value, "0o")
	if !found {
		digits, found = strings.CutPrefix(node.Value, "0")
	}
	if node.Kind != yaml.ScalarNode || !found || len(digits) > 4 {
		return fmt.Errorf("%s is no mode; %s", shown(node), hint)
	}
	mode, err := strconv.ParseUint(digits, 8, 16)
	if err != nil || mode < 1 || mode > 0o777 {
		return fmt.Errorf("%s is no mode; %s", shown(node), hint)
	}
	o.Mode = fs.FileMode(mode)
	return nil
}

// readText is a scalar that YAML takes for text. What it takes for something else (12, true, 2026-01-31) must be quoted, because its
// author may see another text than we do.
func readText(node *yaml.Node) (string, error) {
	switch {
	case node.Kind != yaml.ScalarNode:
		return "", fmt.Errorf("%s is not text", shown(node))
	case node.Value == "" || node.ShortTag() == "!!null":
		return "", errors.New("is empty; give it a value or leave it out")
	case node.ShortTag() != "!!str":
		return "", fmt.Errorf("%s is not text to YAML; put it in quotes", shown(node))
	}
	return node.Value, nil
}

func shown(node *yaml.Node) string {
	switch node.Kind {
	case yaml.SequenceNode:
		return "a list"
	case yaml.MappingNode:
		return "a map"
	default:
		return faults.Quote(node.Value)
	}
}
