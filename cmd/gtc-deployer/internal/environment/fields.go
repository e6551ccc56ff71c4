package environment

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/greenticai/gtc-csi-provider/provider/faults"
)

// object is a map of the document whose fields are known by name. A field that is missing or of another type is a fault at its path; the
// zero value stands for it, so that reading goes on and finds the other faults.
type object struct {
	path   string
	fields map[string]node
	faults *faults.List
}

// object opens n as a map at path. What stands twice, and what is not in known, is a fault.
func (p *parser) object(path string, n node, known ...string) object {
	o := p.openObject(path, n)
	for _, name := range sortedNames(o.fields) {
		if !slices.Contains(known, name) {
			p.faults.Addf(o.at(name), "unknown field; %s", suggest(name, known))
		}
	}
	return o
}

// openObject is object for a map whose other fields do not matter.
func (p *parser) openObject(path string, n node) object {
	o := object{path: path, fields: make(map[string]node, len(n.fields)), faults: p.faults}
	if n.kind != kindMap {
		p.faults.Addf(orRoot(path), "is %s; want a map", n.kind)
		return o
	}
	for _, given := range n.fields {
		if _, twice := o.fields[given.name]; twice {
			p.faults.Addf(o.at(given.name), "stands twice; remove one")
			continue
		}
		o.fields[given.name] = given.value
	}
	return o
}

// at is the path of the field name.
func (o object) at(name string) string {
	if !plainName(name) {
		name = faults.Quote(name)
	}
	if o.path == "" {
		return name
	}
	return o.path + "." + name
}

// given is the field's value, unless it is missing or null.
func (o object) given(name string) (node, bool) {
	n, found := o.fields[name]
	return n, found && n.kind != kindNull
}

// text is a text that may be missing or null; then it is "".
func (o object) text(name string) string {
	n, found := o.given(name)
	if !found {
		return ""
	}
	return textAt(o.faults, o.at(name), n)
}

// filled is a text that may be missing or null, and that is not blank where it is given.
func (o object) filled(name string) string {
	text := o.text(name)
	if o.blank(name, text) {
		o.faults.Addf(o.at(name), "is empty; give it a value or leave it out")
	}
	return text
}

// required is a text that is there and not blank.
func (o object) required(name string) string {
	text := o.text(name)
	if _, found := o.given(name); !found {
		o.faults.Addf(o.at(name), "is missing")
	} else if o.blank(name, text) {
		o.faults.Addf(o.at(name), "is empty; give it a value")
	}
	return text
}

func (o object) blank(name, text string) bool {
	return o.fields[name].kind == kindText && strings.TrimSpace(text) == ""
}

// truth is a bool that may be missing or null; then it is otherwise.
func (o object) truth(name string, otherwise bool) bool {
	n, found := o.given(name)
	switch {
	case !found:
		return otherwise
	case n.kind != kindBool:
		o.faults.Addf(o.at(name), "is %s; want true or false", n.kind)
		return otherwise
	}
	return strings.EqualFold(n.text, "true")
}

// number is a whole number from least to most that may be missing or null; then found is false.
func (o object) number(name string, least, most int64) (value int64, found bool) {
	n, found := o.given(name)
	if !found {
		return 0, false
	}
	value, err := strconv.ParseInt(n.text, 10, 64)
	if n.kind != kindNumber || err != nil || value < least || value > most {
		o.faults.Addf(o.at(name), "is %s; want a whole number from %d to %d", shown(n), least, most)
		return 0, false
	}
	return value, true
}

// list is a list that may be missing; null is none, as upstream has it.
func (o object) list(name string) []node {
	n, found := o.fields[name]
	switch {
	case !found:
		return nil
	case n.kind != kindList:
		o.faults.Addf(o.at(name), "is %s; want a list", n.kind)
		return nil
	}
	return n.items
}

// optionalList is list, with null for a missing list.
func (o object) optionalList(name string) (items []node, found bool) {
	if _, found := o.given(name); !found {
		return nil, false
	}
	return o.list(name), true
}

// texts is a list of texts.
func (o object) texts(name string) []string {
	items := o.list(name)
	texts := make([]string, len(items))
	for i, item := range items {
		texts[i] = textAt(o.faults, fmt.Sprintf("%s[%d]", o.at(name), i), item)
	}
	return texts
}

// textAt is n where it is text, and "" where it is not, which is a fault.
func textAt(wrong *faults.List, path string, n node) string {
	switch n.kind {
	case kindText:
		return n.text
	case kindNumber, kindBool, kindOther:
		wrong.Addf(path, "is %s; want text: put it in quotes", n.kind)
	default:
		wrong.Addf(path, "is %s; want text", n.kind)
	}
	return ""
}

func shown(n node) string {
	if n.kind == kindText || n.kind == kindNumber {
		return faults.Quote(n.text)
	}
	return string(n.kind)
}

func orRoot(path string) string {
	if path == "" {
		return "manifest"
	}
	return path
}

func plainName(name string) bool {
	return name != "" && len(name) <= 64 && strings.IndexFunc(name, func(r rune) bool {
		return r != '_' && r != '-' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
	}) < 0
}

// fileName is a file's name as it stands in a field path: as it is, unless something in it could be taken for more than a name.
func fileName(name string) string {
	if plainFile.MatchString(name) {
		return name
	}
	return faults.Quote(name)
}

var plainFile = regexp.MustCompile(`^[A-Za-z0-9._/-]{1,200}$`)

func sortedNames(fields map[string]node) []string {
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
