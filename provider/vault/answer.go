package vault

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// envelope is what every answer of Vault's API comes in. See https://developer.hashicorp.com/vault/api-docs#the-data-format.
type envelope struct {
	RequestID string          `json:"request_id"`
	Data      json.RawMessage `json:"data"`
	Auth      *struct {
		ClientToken string            `json:"client_token"`
		TokenType   string            `json:"token_type"`
		Metadata    map[string]string `json:"metadata"`
	} `json:"auth"`
	Errors *[]string `json:"errors"`
}

// open decodes a 200's envelope.
func open(what string, answer reply) (envelope, error) {
	if answer.status != http.StatusOK {
		return envelope{}, unexpected(what, answer)
	}
	return decode(what, answer.body)
}

func decode(what string, body []byte) (envelope, error) {
	var e envelope
	if len(body) == 0 || body[0] != '{' || json.Unmarshal(body, &e) != nil {
		return envelope{}, fmt.Errorf("%s: %w: it is not the JSON object of Vault's API; is the connection's address a Vault's?", what, ErrAnswer)
	}
	return e, nil
}

// unexpected is an answer whose status Vault's API does not have there.
func unexpected(what string, answer reply) error {
	return fmt.Errorf("%s: %w: status %d does not belong there; is the connection's address a Vault's?", what, ErrAnswer, answer.status)
}

func lacks(what, field string) error {
	return fmt.Errorf("%s: %w: it has no %s; is the connection's address a Vault's?", what, ErrAnswer, field)
}

func absent(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

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
