package vault

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/greenticai/gtc-csi-provider/provider/exactjson"
)

// The fields that every answer of Vault's API may have. See https://developer.hashicorp.com/vault/api-docs#the-data-format.
const (
	fieldRequestID = "request_id"
	fieldData      = "data"
	fieldAuth      = "auth"
	fieldErrors    = "errors"
)

// open decodes a 200.
func open(what string, answer reply) (exactjson.Object, error) {
	if answer.status != http.StatusOK {
		return nil, unexpected(what, answer)
	}
	return decode(what, answer.body)
}

// decode takes an answer apart; its fields are parts of body.
func decode(what string, body []byte) (exactjson.Object, error) {
	envelope, err := exactjson.Parse(body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: it is not the JSON object of Vault's API; is the connection's address a Vault's?", what, ErrAnswer)
	}
	return envelope, nil
}

// optional is a text that Vault may leave out; a field of another type is a fault.
func optional(object exactjson.Object, name string) (string, error) {
	if !object.Has(name) {
		return "", nil
	}
	return object.Text(name)
}

// unexpected is an answer whose status Vault's API does not have there.
func unexpected(what string, answer reply) error {
	return fmt.Errorf("%s: %w: status %d does not belong there; is the connection's address a Vault's?", what, ErrAnswer, answer.status)
}

func lacks(what, field string) error {
	return fmt.Errorf("%s: %w: it has no %s; is the connection's address a Vault's?", what, ErrAnswer, field)
}

// says reports whether one of an error answer's texts holds known. The texts are only ever compared.
func says(body []byte, known string) bool {
	var answer struct {
		Errors []string `json:"errors"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return false
	}
	for _, text := range answer.Errors {
		if strings.Contains(text, known) {
			return true
		}
	}
	return false
}

// noRoute is how Vault says that nothing is mounted at a path.
func noRoute(answer reply) bool {
	return answer.status == http.StatusNotFound && says(answer.body, "no handler for route")
}

// requestID is an id as Vault makes them (a UUID), or "" if it is not one: it goes into logs.
func requestID(text string) string {
	const like = "00000000-0000-0000-0000-000000000000"
	if len(text) != len(like) {
		return ""
	}
	for i := range len(text) {
		hyphen := like[i] == '-'
		hex := bytes.IndexByte([]byte("0123456789abcdef"), text[i]) >= 0
		if hyphen != (text[i] == '-') || !hyphen && !hex {
			return ""
		}
	}
	return text
}

// cleanPath reports whether text is a path of segments that mean themselves: nothing that is escaped, walks, or ends the path.
func cleanPath(text string) bool {
	for segment := range strings.SplitSeq(text, "/") {
		if segment == "" || segment == "." || segment == ".." {
			return false
		}
	}
	return strings.IndexFunc(text, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`%?#\`, r)
	}) < 0
}
