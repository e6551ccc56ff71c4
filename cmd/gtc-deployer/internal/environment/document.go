package environment

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/greenticai/gtc-csi-provider/provider/faults"
)

// deepest is how far lists and maps may lie in each other; a manifest needs seven.
const deepest = 32

type kind string

const (
	kindMap    kind = "a map"
	kindList   kind = "a list"
	kindText   kind = "text"
	kindNumber kind = "a number"
	kindBool   kind = "true or false"
	kindNull   kind = "null"
	// kindOther is what YAML takes for a type of its own, such as a date: its author may have meant text.
	kindOther kind = "not text to YAML"
)

// node is a part of a document, the same for JSON and YAML, with fields in the document's order and repeated ones kept.
type node struct {
	kind   kind
	text   string // of a scalar, as it is written
	fields []field
	items  []node
}

type field struct {
	name  string
	value node
}

// parseDocument reads JSON if the text begins with a brace or bracket, and YAML otherwise.
func parseDocument(text []byte, limit int) (node, error) {
	if len(text) > limit {
		return node{}, fmt.Errorf("has more than %d bytes", limit)
	}
	if !utf8.Valid(text) {
		return node{}, errors.New("is not UTF-8")
	}
	start := bytes.TrimLeft(text, " \t\r\n")
	if len(start) == 0 {
		return node{}, errors.New("is empty")
	}
	if start[0] == '{' || start[0] == '[' {
		return parseJSON(text)
	}
	return parseYAML(text)
}

func parseJSON(text []byte) (node, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	tree, err := nextJSON(decoder, 0)
	if err != nil {
		return node{}, notA("JSON", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return node{}, errors.New("holds something after its JSON; remove it")
	}
	return tree, nil
}

func nextJSON(decoder *json.Decoder, depth int) (node, error) {
	if depth > deepest {
		return node{}, errTooDeep
	}
	token, err := decoder.Token()
	if err != nil {
		return node{}, err
	}
	switch token := token.(type) {
	case json.Delim:
		if token == '{' {
			return jsonMap(decoder, depth)
		}
		return jsonList(decoder, depth)
	case json.Number:
		return node{kind: kindNumber, text: token.String()}, nil
	case string:
		return node{kind: kindText, text: token}, nil
	case bool:
		return node{kind: kindBool, text: fmt.Sprint(token)}, nil
	default:
		return node{kind: kindNull}, nil
	}
}

func jsonMap(decoder *json.Decoder, depth int) (node, error) {
	tree := node{kind: kindMap}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return node{}, err
		}
		value, err := nextJSON(decoder, depth+1)
		if err != nil {
			return node{}, err
		}
		tree.fields = append(tree.fields, field{name: fmt.Sprint(name), value: value})
	}
	_, err := decoder.Token()
	return tree, err
}

func jsonList(decoder *json.Decoder, depth int) (node, error) {
	tree := node{kind: kindList}
	for decoder.More() {
		item, err := nextJSON(decoder, depth+1)
		if err != nil {
			return node{}, err
		}
		tree.items = append(tree.items, item)
	}
	_, err := decoder.Token()
	return tree, err
}

func parseYAML(text []byte) (node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document, second yaml.Node
	if err := decoder.Decode(&document); err != nil {
		return node{}, notA("YAML", err)
	}
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		return node{}, errors.New(`holds more than one YAML document; remove the "---"`)
	}
	return fromYAML(&document, 0)
}

func fromYAML(from *yaml.Node, depth int) (node, error) {
	switch {
	case depth > deepest:
		return node{}, errTooDeep
	case from.Kind == yaml.AliasNode || from.Anchor != "":
		return node{}, fmt.Errorf("line %d: YAML anchors and aliases are refused; write the value out", from.Line)
	case from.Style&yaml.TaggedStyle != 0:
		return node{}, fmt.Errorf("line %d: YAML tags are refused; write the value without %s", from.Line, faults.Quote(from.Tag))
	}
	switch from.Kind {
	case yaml.DocumentNode:
		return fromYAML(from.Content[0], depth)
	case yaml.MappingNode:
		return yamlMap(from, depth)
	case yaml.SequenceNode:
		tree := node{kind: kindList}
		for _, child := range from.Content {
			item, err := fromYAML(child, depth+1)
			if err != nil {
				return node{}, err
			}
			tree.items = append(tree.items, item)
		}
		return tree, nil
	default:
		return node{kind: scalarKind(from), text: from.Value}, nil
	}
}

func yamlMap(from *yaml.Node, depth int) (node, error) {
	tree := node{kind: kindMap}
	for i := 0; i+1 < len(from.Content); i += 2 {
		name := from.Content[i]
		if name.Kind != yaml.ScalarNode {
			return node{}, fmt.Errorf("line %d: the name of a field is plain text", name.Line)
		}
		if _, err := fromYAML(name, depth+1); err != nil {
			return node{}, err
		}
		value, err := fromYAML(from.Content[i+1], depth+1)
		if err != nil {
			return node{}, err
		}
		tree.fields = append(tree.fields, field{name: name.Value, value: value})
	}
	return tree, nil
}

func scalarKind(from *yaml.Node) kind {
	switch from.ShortTag() {
	case "!!str":
		return kindText
	case "!!int", "!!float":
		return kindNumber
	case "!!bool":
		return kindBool
	case "!!null":
		return kindNull
	default:
		return kindOther
	}
}

var errTooDeep = fmt.Errorf("lists and maps lie in each other more than %d deep", deepest)

func notA(format string, err error) error {
	switch {
	case errors.Is(err, errTooDeep):
		return err
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("is not %s: it ends too early", format)
	}
	return fmt.Errorf("is not %s: %s", format, faults.Quote(strings.TrimPrefix(err.Error(), "yaml: ")))
}
