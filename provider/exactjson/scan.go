package exactjson

import (
	"bytes"
	"encoding/json"
)

// The functions of this file take apart a text that encoding/json has found valid, without decoding it: fields are slices of the text, and
// whoever asks for an inner object pays for that object alone. On a text that is not valid they would run over its end.

// split takes an object apart into its fields.
func split(text []byte) (Object, error) {
	if text[0] != '{' {
		return nil, ErrObject
	}
	object := Object{}
	for i := skipSpace(text, 1); text[i] != '}'; {
		nameEnd := stringEnd(text, i)
		name, err := unquote(text[i:nameEnd])
		if err != nil {
			return nil, ErrObject
		}
		if _, twice := object[name]; twice {
			return nil, ErrTwice
		}
		value := skipSpace(text, skipSpace(text, nameEnd)+len(":"))
		end := valueEnd(text, value)
		object[name] = text[value:end:end]
		if i = skipSpace(text, end); text[i] == ',' {
			i = skipSpace(text, i+1)
		}
	}
	return object, nil
}

func unquote(quoted []byte) (name string, err error) {
	if bytes.IndexByte(quoted, '\\') < 0 && isASCII(quoted) {
		return string(quoted[1 : len(quoted)-1]), nil
	}
	err = json.Unmarshal(quoted, &name) // escapes, and bytes that are not UTF-8
	return name, err
}

func isASCII(text []byte) bool {
	for _, b := range text {
		if b >= 0x80 {
			return false
		}
	}
	return true
}

// skipSpace is the place of the first byte from i on that is not white space.
func skipSpace(text []byte, i int) int {
	for text[i] == ' ' || text[i] == '\t' || text[i] == '\n' || text[i] == '\r' {
		i++
	}
	return i
}

// stringEnd is the place after the string that starts at i.
func stringEnd(text []byte, i int) int {
	for i++; text[i] != '"'; i++ {
		if text[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// valueEnd is the place after the value that starts at i.
func valueEnd(text []byte, i int) int {
	switch text[i] {
	case '"':
		return stringEnd(text, i)
	case '{', '[':
		return bracketEnd(text, i)
	default:
		return i + bytes.IndexAny(text[i:], ",]} \t\n\r")
	}
}

func bracketEnd(text []byte, i int) int {
	for depth := 0; ; {
		switch text[i] {
		case '"':
			i = stringEnd(text, i)
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
		i++
	}
}
