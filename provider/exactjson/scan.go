package exactjson

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxDepth is how many objects and lists may lie in each other, as encoding/json has it.
const maxDepth = 10000

// scanner goes over a text once and finds on the way whether it is JSON (RFC 8259). What lies deeper than the object that is asked for is
// checked as strictly, but not taken apart: whoever asks for an inner object pays for that object alone.
type scanner struct {
	text  []byte
	at    int
	depth int
}

// object passes over an object and tells of its fields, the names in their quotes; a nil field is not told.
func (s *scanner) object(field func(name, value []byte)) bool {
	if !s.took('{') {
		return false
	}
	if s.took('}') {
		return true
	}
	for {
		name, ok := s.part(s.quoted)
		if !ok || !s.took(':') {
			return false
		}
		value, ok := s.part(s.value)
		if !ok {
			return false
		}
		if field != nil {
			field(name, value)
		}
		if !s.took(',') {
			return s.took('}')
		}
	}
}

// part is the text that read passes over.
func (s *scanner) part(read func() bool) ([]byte, bool) {
	s.space()
	start := s.at
	ok := read()
	return s.text[start:s.at:s.at], ok
}

func (s *scanner) list() bool {
	if !s.took('[') {
		return false
	}
	if s.took(']') {
		return true
	}
	for s.value() {
		if !s.took(',') {
			return s.took(']')
		}
	}
	return false
}

func (s *scanner) value() bool {
	s.space()
	switch s.peek() {
	case '"':
		return s.quoted()
	case '{':
		return s.inside(func() bool { return s.object(nil) })
	case '[':
		return s.inside(s.list)
	case 't':
		return s.word("true")
	case 'f':
		return s.word("false")
	case 'n':
		return s.word("null")
	default:
		return s.number()
	}
}

func (s *scanner) inside(read func() bool) bool {
	if s.depth++; s.depth >= maxDepth {
		return false
	}
	ok := read()
	s.depth--
	return ok
}

func (s *scanner) quoted() bool {
	if !s.took('"') {
		return false
	}
	for s.at < len(s.text) {
		c := s.text[s.at]
		s.at++
		switch {
		case c == '"':
			return true
		case c < ' ', c == '\\' && !s.escape():
			return false
		}
	}
	return false
}

// escape passes over what follows a backslash.
func (s *scanner) escape() bool {
	c := s.peek()
	if c != 'u' && plain[c] == 0 {
		return false
	}
	s.at++
	if c != 'u' {
		return true
	}
	for range 4 {
		switch c := s.peek(); {
		case '0' <= c && c <= '9', 'a' <= c && c <= 'f', 'A' <= c && c <= 'F':
			s.at++
		default:
			return false
		}
	}
	return true
}

func (s *scanner) number() bool {
	s.skip('-')
	if !s.skip('0') && !s.digits() {
		return false
	}
	if s.skip('.') && !s.digits() {
		return false
	}
	if s.skip('e') || s.skip('E') {
		_ = s.skip('+') || s.skip('-')
		return s.digits()
	}
	return true
}

func (s *scanner) digits() bool {
	start := s.at
	for c := s.peek(); '0' <= c && c <= '9'; c = s.peek() {
		s.at++
	}
	return s.at > start
}

func (s *scanner) word(want string) bool {
	if !bytes.HasPrefix(s.text[s.at:], []byte(want)) {
		return false
	}
	s.at += len(want)
	return true
}

// peek is the byte that comes next, and 0, which begins nothing, at the end.
func (s *scanner) peek() byte {
	if s.at < len(s.text) {
		return s.text[s.at]
	}
	return 0
}

// skip passes over c if it comes next.
func (s *scanner) skip(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.at++
	return true
}

// took passes over white space, and over c if it comes then.
func (s *scanner) took(c byte) bool {
	s.space()
	return s.skip(c)
}

func (s *scanner) space() {
	for c := s.peek(); c == ' ' || c == '\t' || c == '\n' || c == '\r'; c = s.peek() {
		s.at++
	}
}

// plain is what a backslash before a byte makes of it; 0 for what is no such escape.
var plain = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// inside is what unquote is, as a part of the same text where it stands there as it is.
func inside(quoted []byte) []byte {
	inner := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) {
		return inner
	}
	return []byte(unquote(quoted))
}

// scalar reads a number or a bool, which is known to be valid, without more memory. What is neither is left to json.Unmarshal, which decides.
func scalar(value []byte, into any) bool {
	switch into := into.(type) {
	case *bool:
		if value[0] != 't' && value[0] != 'f' {
			return false
		}
		*into = value[0] == 't'
		return true
	case *int:
		return number(into, value, strconv.Atoi)
	case *int64:
		return number(into, value, func(text string) (int64, error) { return strconv.ParseInt(text, 10, 64) })
	case *float64:
		return number(into, value, func(text string) (float64, error) { return strconv.ParseFloat(text, 64) })
	default:
		return false
	}
}

func number[N int | int64 | float64](into *N, value []byte, parse func(string) (N, error)) bool {
	n, err := parse(string(value))
	if err == nil {
		*into = n
	}
	return err == nil
}

// unquote is the text of a string that is known to be valid.
func unquote(quoted []byte) string {
	inner := quoted[1 : len(quoted)-1]
	if !utf8.Valid(inner) || bytes.Contains(inner, []byte(`\u`)) {
		var text string
		_ = json.Unmarshal(quoted, &text) // a valid string does not fail
		return text
	}
	next := bytes.IndexByte(inner, '\\')
	if next < 0 {
		return string(inner)
	}
	var text strings.Builder
	text.Grow(len(inner))
	for ; next >= 0; next = bytes.IndexByte(inner, '\\') {
		text.Write(inner[:next])
		text.WriteByte(plain[inner[next+1]])
		inner = inner[next+2:]
	}
	text.Write(inner)
	return text.String()
}
